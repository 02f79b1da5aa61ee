"""Point clouds of images, as PLY files."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from typing_extensions import override

from taskscape.inference.cameras import Focal, Lens
from taskscape.inference.outputs.base import Output, Writer
from taskscape.inference.prediction import Prediction
from taskscape.inference.predictor import Predictor
from taskscape.inference.saving import save_file
from taskscape.serialization import nearest
from taskscape.views.points import SKY, PointCloud, depth_of, point_cloud


@dataclass(frozen=True)
class PointClouds(Output):
    """IMAGE.ply for each image: points in meters, x right, y down, z forward, with colors, and normals if predicted.

    The sky and points at the farthest depth that the network predicts are left out.
    """

    color: str = "image"
    """Source of the points' colors: ``image``, or the name of a task for its view."""
    lens: Lens = field(default_factory=Lens)
    """The focal length."""

    @override
    def writer(self, predictor: Predictor, folder: Path, files: Sequence[Path] = ()) -> Writer:
        return PointCloudWriter(Clouds(predictor, self.color, self.lens, files), folder)


class Clouds:
    """Computes point clouds from predictions, and records the origin of their focal lengths."""

    def __init__(self, predictor: Predictor, color: str, lens: Lens, files: Sequence[Path]) -> None:
        """Check that depth is predicted, and that the color is known. Raises ``ValueError``."""
        self.predictor, self.color, self.lens = predictor, color, lens
        self.origins: dict[str, list[tuple[str, float]]] = {}
        """Names of images and their focal lengths in pixels, by origin."""
        views = predictor.views
        task = depth_of(views)
        if task is None:
            raise ValueError(
                f"a point cloud needs a task that predicts depth, but the tasks are {', '.join(views)}: choose tasks, "
                "or a run, with depth"
            )
        choices = ("image", *views)
        if color not in choices:
            raise ValueError(f"points cannot be colored by {color!r}{nearest(color, choices)}")
        lens.check(files, predictor)
        limits = predictor.model.tasks[task].range
        self.farthest = math.inf if limits is None else limits[1] * 0.999

    def of(self, prediction: Prediction) -> tuple[PointCloud, Focal]:
        """Return the point cloud of an image and the focal length. Raises ``ValueError`` as ``Lens.find`` does."""
        focal = self.lens.find(prediction.size, prediction.file, self.predictor)
        self.origins.setdefault(focal.origin, []).append((prediction.name, focal.pixels))
        cloud = point_cloud(
            prediction.image,
            prediction.arrays,
            prediction.views,
            focal.pixels,
            color=self.color,
            farthest=self.farthest,
        )
        return cloud, focal

    def notes(self) -> list[str]:
        """Return sentences about the origin of the focal lengths, and about the sky if it is not left out."""
        sentences = []
        for origin, images in self.origins.items():
            name, pixels = min(images)
            others = f" and {len(images) - 1} others" if len(images) > 1 else ""
            sentences.append(f"focal length of {name}{others}: {pixels:.0f} pixels, {origin}")
        if self.origins and not any(SKY in view.classes for view in self.predictor.views.values()):
            sentences.append("no task predicts the class sky: only points at the farthest depth are left out")
        return sentences


@dataclass
class PointCloudWriter(Writer):
    """Writes one PLY file per image."""

    clouds: Clouds
    folder: Path

    @override
    def write(self, prediction: Prediction) -> list[Path]:
        cloud, focal = self.clouds.of(prediction)
        content = cloud.ply(f"focal length {focal.pixels:.6g} pixels, {focal.origin}")
        return [save_file(content, self.folder, f"{prediction.name}.ply")]

    @override
    def notes(self) -> list[str]:
        return self.clouds.notes()
