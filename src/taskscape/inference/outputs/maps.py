"""Predicted maps, as files for programs and as pictures for viewing."""

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
from taskscape.inference.prediction import Prediction
from taskscape.inference.predictor import Predictor
from taskscape.inference.saving import METADATA, beyond, read_metadata, write_metadata
from taskscape.views import View


@dataclass(frozen=True)
class Maps(Output):
    """The files that ``Prediction.save`` writes."""

    pictures: bool = True
    """Also write pictures for viewing, IMAGE.TASK-view.png and IMAGE.side-by-side.png, which take most of the time."""

    @override
    def writer(self, predictor: Predictor, folder: Path, files: Sequence[Path] = ()) -> Writer:
        return MapsWriter(predictor, folder, self.pictures)


@dataclass
class MapsWriter(Writer):
    """Writes maps, and the metadata that tell how to read them."""

    predictor: Predictor
    folder: Path
    pictures: bool
    lock: threading.Lock = field(default_factory=threading.Lock)
    clipped: dict[str, dict[str, float]] = field(default_factory=dict)
    """Share of pixels with values out of the file's range, by task and image."""
    written: set[Path] = field(default_factory=set)

    views: Mapping[str, View[Any]] = field(default_factory=dict)
    """The views that the metadata file describes. Empty before the first image, so the file stays unchanged if no image
    can be read."""

    def __post_init__(self) -> None:
        """Create the folder, so that a folder that cannot be written is reported before the first image."""
        self.earlier_metadata = read_metadata(self.folder)
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)

    @override
    def write(self, prediction: Prediction) -> list[Path]:
        with self.lock:
            if prediction.views != self.views:  # the first image also sets color scales that the run does not define
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
        metadata = read_metadata(self.folder)
        changed = [
            task for task, entry in self.earlier_metadata.items() if not _is_described(entry, metadata.get(task))
        ]
        remaining = [task for task in changed if self._has_earlier_files(task)]
        if not remaining:
            return []
        return [
            f"{self.folder} still has earlier maps of {', '.join(remaining)}, which {METADATA} no longer describes; to "
            "keep predictions of several networks, write each network's to its own folder"
        ]

    def _has_earlier_files(self, task: str) -> bool:
        return any(path not in self.written for path in self.folder.rglob(f"*.{escape(task)}.*"))


def _is_described(entry: Any, by: Any) -> bool:
    """Return whether metadata still have all that is needed to read earlier maps: all but the colors of pictures."""
    if not (isinstance(entry, dict) and isinstance(by, dict)):
        return bool(entry == by)
    return all(by.get(name) == value for name, value in entry.items() if name != "colors_of_views")
