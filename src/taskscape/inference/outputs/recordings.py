"""Recordings for the Rerun viewer (https://rerun.io): images, maps, camera and points, one image after the other.

This is the only module that uses its package, the extra ``rerun``.
"""

import io
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image
from typing_extensions import override

from taskscape.files import writing
from taskscape.inference.cameras import Lens
from taskscape.inference.checks import require_rerun
from taskscape.inference.outputs.base import Output, Writer
from taskscape.inference.outputs.point_clouds import Clouds
from taskscape.inference.prediction import Prediction
from taskscape.inference.predictor import Predictor
from taskscape.views.points import depth_of

FILE = "recording.rrd"
TIMELINE = "image"


@dataclass(frozen=True)
class Recording(Output):
    """recording.rrd with every image's maps, camera, and points in meters. The network must predict depth."""

    shared_file: ClassVar[str] = FILE

    color: str = "image"
    """Source of the points' colors: ``image``, or the name of a task for its view."""
    lens: Lens = field(default_factory=Lens)
    """The focal length."""

    @override
    def writer(self, predictor: Predictor, folder: Path, files: Sequence[Path] = ()) -> Writer:
        require_rerun()
        return RecordingWriter(predictor, Clouds(predictor, self.color, self.lens, files), folder / FILE)


class RecordingWriter(Writer):
    """Writes one file, which gets its final name when it is complete."""

    def __init__(self, predictor: Predictor, clouds: Clouds, path: Path) -> None:
        """Open the file, and write the static content: the axes, and the names and colors of classes."""
        import rerun as rr

        self.clouds, self.path = clouds, path
        self.part = path.with_name(f"{path.name}.part")
        self.depth = depth_of(predictor.views)
        self.lock = threading.Lock()
        self.has_images = False
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self.part.touch()  # reports a folder that cannot be written
        self.stream: Any = rr.RecordingStream("taskscape", send_properties=False)
        self.stream.save(self.part)
        self.stream.log("world", rr.ViewCoordinates.RDF, static=True)  # x right, y down, z forward
        for name, view in predictor.views.items():
            if view.classes:
                classes = [(number, *name_and_color) for number, name_and_color in enumerate(view.classes.items())]
                self.stream.log(f"world/camera/{name}", rr.AnnotationContext(classes), static=True)

    @override
    def write(self, prediction: Prediction) -> list[Path]:
        import rerun as rr

        cloud, focal = self.clouds.of(prediction)
        height, width = prediction.size
        logged: dict[str, Any] = {
            "world/camera": rr.Pinhole(focal_length=focal.pixels, width=width, height=height),
            "world/camera/image": rr.EncodedImage(contents=_jpeg(prediction), media_type="image/jpeg"),
            "world/points": rr.Points3D(cloud.points, colors=cloud.colors),
            "name": rr.TextLog(prediction.name),
        }
        for name, values in prediction.items():
            view = prediction.views[name]
            if name == self.depth:
                logged[f"world/camera/{name}"] = rr.DepthImage(values.astype(np.float32), meter=1.0)
            elif view.classes:
                logged[f"world/camera/{name}"] = rr.SegmentationImage(values)
            else:
                logged[f"world/camera/{name}"] = rr.Image(view.colorize(view.comparable(values)))
        with self.lock:  # set_time applies to everything logged next
            self.has_images = True
            self.stream.set_time(TIMELINE, sequence=prediction.number)
            for entity, content in logged.items():
                self.stream.log(entity, content)
        return []

    @override
    def finish(self) -> list[Path]:
        if not self.has_images:
            self.discard()
            return []
        self.stream.flush()
        self.stream.disconnect()
        with writing(self.path):
            self.part.replace(self.path)
        return [self.path]

    @override
    def discard(self) -> None:
        self.stream.disconnect()
        with suppress(OSError):
            self.part.unlink()

    @override
    def notes(self) -> list[str]:
        return self.clouds.notes()


def _jpeg(prediction: Prediction) -> bytes:
    content = io.BytesIO()
    Image.fromarray(prediction.image).save(content, "JPEG", quality=90)
    return content.getvalue()
