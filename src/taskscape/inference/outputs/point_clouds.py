"""Point clouds of images, as PLY files."""

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from typing_extensions import override

from taskscape.files import atomic_write, writing
from taskscape.files.paths import check_inside
from taskscape.inference.cameras import Focal, Lens
from taskscape.inference.outputs.base import Output, Writer
from taskscape.inference.prediction import Prediction
from taskscape.inference.predictor import Predictor
from taskscape.serialization import nearest
from taskscape.views.points import SKY, PointCloud, depth_of, point_cloud


@dataclass(frozen=True)
class PointClouds(Output):
    """IMAGE.ply for each image: points in metres, x right, y down, z forward, with colors, and normals if predicted.

    The sky is left out, and so is what lies at the farthest depth that the network predicts.
    """

    color: str = "image"
    """What gives points their color: the image, or the view of the task of this name."""
    lens: Lens = field(default_factory=Lens)
    """The focal length."""

    @override
    def writer(self, predictor: Predictor, folder: Path, files: Sequence[Path] = ()) -> Writer:
        return PointCloudWriter(Clouds(predictor, self.color, self.lens, files), folder)


class Clouds:
    """Makes point clouds of predictions, and counts where their focal lengths are from."""

    def __init__(self, predictor: Predictor, color: str, lens: Lens, files: Sequence[Path]) -> None:
        """Check that there is depth, and what gives the color. Raises ``ValueError`` with the remedy."""
        self.predictor, self.color, self.lens = predictor, color, lens
        self.lock = threading.Lock()
        self.origins: dict[str, list[tuple[str, float]]] = {}
        """By origin: the images, and their focal lengths in pixels."""
        views = predictor.views
        task = depth_of(views)
        if task is None:
            raise ValueError(
                f"a point cloud needs a task that predicts depth, and there is {', '.join(views)}: choose tasks, or a "
                "run, with depth"
            )
        known = ("image", *views)
        if color not in known:
            raise ValueError(f"points have no color {color!r}{nearest(color, known)}")
        lens.check(files, predictor)
        limits = predictor.model.tasks[task].range
        self.farthest = math.inf if limits is None else limits[1] * 0.999

    def of(self, prediction: Prediction) -> tuple[PointCloud, Focal]:
        """Return the cloud of an image, and the focal length. Raises ``ValueError`` as ``Lens.find``."""
        focal = self.lens.find(prediction.size, prediction.file, self.predictor)
        with self.lock:
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
        """Return where focal lengths are from, and whether the sky was left out."""
        sentences = []
        for origin, images in self.origins.items():
            name, pixels = min(images)
            others = f" and {len(images) - 1} others" if len(images) > 1 else ""
            sentences.append(f"focal length of {name}{others}: {pixels:.0f} pixels, {origin}")
        if self.origins and not any(SKY in view.classes for view in self.predictor.views.values()):
            sentences.append("no task says where the sky is: only points at the farthest depth are left out")
        return sentences


@dataclass
class PointCloudWriter(Writer):
    """Writes a PLY file for each image."""

    clouds: Clouds
    folder: Path

    @override
    def write(self, prediction: Prediction) -> list[Path]:
        cloud, focal = self.clouds.of(prediction)
        path = self.folder / f"{prediction.name}.ply"
        check_inside(self.folder, path.parent)
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, cloud.ply(f"focal length {focal.pixels:.6g} pixels, {focal.origin}"))
        return [path]

    @override
    def notes(self) -> list[str]:
        return self.clouds.notes()
