"""The correction of a trained network's confidence, as a JSON file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from taskscape.files import atomic_write
from taskscape.files.digest import sha256
from taskscape.run_folder.names import RunFolder
from taskscape.serialization import structure, unstructure
from taskscape.serialization.plain import read_json


@dataclass(frozen=True)
class Calibration:
    """How much wider the distributions of a network's tasks are than predicted, found on validation images.

    Other splits, above all the test split, are not used for it.
    """

    spreads: Mapping[str, float]
    """The spread of each task: scores of classes are divided by it (temperature), predicted widths are multiplied by
    it. Above 1 the network was overconfident, below 1 underconfident. A task without labels has none."""
    split: str
    """The split on which it was found."""
    images: int
    """The number of images used, evenly spread over the split."""
    data: str
    """The fingerprint of the data (``taskscape.data.Manifest``)."""
    weights: str
    """SHA-256 of the weights file to which it belongs."""

    def save(self, path: Path) -> None:
        """Write the file; a reader sees the old or the new one, never a part."""
        atomic_write(path, json.dumps(unstructure(self), indent=1) + "\n")

    @classmethod
    def of(cls, folder: RunFolder) -> Self | None:
        """Return the calibration of a run's weights; None without one, and if it belongs to earlier weights.

        Raises ``ValueError`` as ``load`` does.
        """
        calibration = cls.load(folder.calibration) if folder.calibration.exists() else None
        return calibration if calibration is not None and calibration.weights == sha256(folder.weights) else None

    @classmethod
    def spreads_of(cls, folder: RunFolder) -> Mapping[str, float]:
        """Return the spreads of the calibration that ``of`` returns, by task; empty without one."""
        calibration = cls.of(folder)
        return {} if calibration is None else calibration.spreads

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the file. Raises ``FileNotFoundError``, or ``ValueError`` that names the file and the remedy."""
        try:
            calibration = structure(read_json(path), str(path), cls)
            if invalid := [task for task, spread in calibration.spreads.items() if not 0 < spread < float("inf")]:
                raise ValueError(f"{path}: the spread of {invalid[0]} is not positive")
        except ValueError as error:
            raise ValueError(f"{error}; delete it, and evaluate the run again") from error
        return calibration
