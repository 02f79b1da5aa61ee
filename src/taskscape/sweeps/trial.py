"""Trials of a sweep: experiments, each with its own run folder."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from taskscape.files import atomic_write, writing
from taskscape.run_folder import Result, RunFolder
from taskscape.runs import Experiment, read_experiment
from taskscape.runs.same_settings import different_settings
from taskscape.serialization import dump, keep_code
from taskscape.sweeps.axes import Point

_MAX_LENGTH = 100
"""Maximum number of characters of a folder name; file systems allow 255 bytes."""


@dataclass(frozen=True)
class Trial:
    """One run of a sweep."""

    path: Path
    """The run folder."""
    values: Mapping[str, str]
    """The label of the trial's point on each axis, by axis name."""
    words: tuple[str, ...]
    """The command-line arguments that distinguish it from other trials."""

    @classmethod
    def of(cls, sweep: Path, points: Mapping[str, Point]) -> "Trial":
        """Return the trial at these points, one per axis, of the sweep in the folder ``sweep``."""
        words = tuple(word for point in points.values() for word in point.words)
        values = {axis: point.label for axis, point in points.items()}
        return cls(sweep / "runs" / _name(values, words), values, words)

    @property
    def name(self) -> str:
        """The name of its folder, which contains its settings."""
        return self.path.name

    def write(self, experiment: Experiment) -> None:
        """Create the run folder with its experiment, unless it exists and was started with the same settings.

        Raises ``OSError`` that names the file, and ``ValueError`` if it was started with other settings.
        """
        folder = RunFolder(self.path)
        if folder.experiment.is_file():
            names = different_settings(read_experiment(self.path), experiment)
            if not names:
                return
            if any(file.exists() for file in (folder.checkpoint, folder.weights, folder.lock)):
                raise ValueError(
                    f"{self.path} was started with other settings ({', '.join(names)}): name another folder for the "
                    "sweep, or delete this run"
                )
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        keep_code(experiment, self.path)
        atomic_write(folder.experiment, dump(experiment))


def is_done(path: Path) -> bool:
    """Return whether the run in a folder is finished and evaluated."""
    file = RunFolder(path).result()
    if not file.is_file():
        return False
    progress = Result.load(file).progress
    return progress is not None and progress.finished


def _name(values: Mapping[str, str], words: tuple[str, ...]) -> str:
    """Return a folder name such as ``lr=1e-3,seed=0``, with a checksum if characters had to be replaced or cut."""
    text = ",".join(f"{short(axis)}={label}" for axis, label in values.items())
    name = re.sub(r"[^\w.=,+-]+", "-", text)[:_MAX_LENGTH]
    return name if name == text else f"{name}-{hashlib.sha256(repr(words).encode()).hexdigest()[:8]}"


def short(axis: str) -> str:
    """Return the last part of an axis name: ``lr`` for ``optimizer.lr``."""
    return axis.rpartition(".")[2]
