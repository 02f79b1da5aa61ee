"""The maps that are predicted: for programs, and as pictures for people."""

import threading
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from glob import escape
from pathlib import Path
from typing import Any

from typing_extensions import override

from taskscape.files import writing
from taskscape.inference.outputs.base import Output, Writer
from taskscape.inference.prediction import METADATA, Prediction, beyond, read_metadata, write_metadata
from taskscape.inference.predictor import Predictor
from taskscape.views import View


@dataclass(frozen=True)
class Maps(Output):
    """The files of ``Prediction.save``."""

    pictures: bool = True
    """Also write the pictures for people, IMAGE.TASK-view.png and IMAGE.side-by-side.png, which take most of the
    time."""

    @override
    def writer(self, predictor: Predictor, folder: Path, files: Sequence[Path] = ()) -> Writer:
        return MapsWriter(predictor, folder, self.pictures)


@dataclass
class MapsWriter(Writer):
    """Writes maps, and once how to read them."""

    predictor: Predictor
    folder: Path
    pictures: bool
    lock: threading.Lock = field(default_factory=threading.Lock)
    clipped: dict[str, dict[str, float]] = field(default_factory=dict)
    """By task and image: the share of pixels that the file cannot hold."""
    written: set[Path] = field(default_factory=set)

    views: Mapping[str, View[Any]] = field(default_factory=dict)
    """Those that the file about the maps describes: none before the first image, so that the file stays as it was where
    no image can be read."""

    def __post_init__(self) -> None:
        """Make the folder, so that one that cannot be written to is named before the first image."""
        self.before = read_metadata(self.folder)
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)

    @override
    def write(self, prediction: Prediction) -> list[Path]:
        with self.lock:
            if prediction.views != self.views:  # of the first image, which also sets a scale that the run does not know
                self.views = prediction.views
                write_metadata(self.views, self.folder, self.predictor.confidence_views)
            for task, share in prediction.beyond_file().items():
                self.clipped.setdefault(task, {})[prediction.name] = share
        files = prediction.save_images(self.folder, pictures=self.pictures)
        with self.lock:
            self.written.update(files)
        return files

    @override
    def finish(self) -> list[Path]:
        for task, shares in self.clipped.items():
            warnings.warn(beyond(task, self.views[task], shares), stacklevel=2)
        return [self.folder / METADATA] if self.views else []

    @override
    def notes(self) -> list[str]:
        now = read_metadata(self.folder)
        others = [task for task, how in self.before.items() if _how_to_read(how) != _how_to_read(now.get(task))]
        left = [task for task in others if self._has_files_of_before(task)]
        if not left:
            return []
        return [
            f"{self.folder} still has earlier maps of {', '.join(left)}, which {METADATA} no longer describes; to keep "
            "predictions of several networks, write each to a folder of its own"
        ]

    def _has_files_of_before(self, task: str) -> bool:
        return any(path not in self.written for path in self.folder.rglob(f"*.{escape(task)}.*"))


def _how_to_read(metadata: Any) -> Any:
    """Return what a reader of a map's values needs: all but the colors of its picture."""
    if not isinstance(metadata, dict):
        return metadata
    return {name: value for name, value in metadata.items() if name != "colors_of_views"}
