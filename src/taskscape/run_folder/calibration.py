"""What the confidence of a trained network is corrected by, as a JSON file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from taskscape.files import atomic_write
from taskscape.serialization import structure, unstructure
from taskscape.serialization.plain import read_json


@dataclass(frozen=True)
class Calibration:
    """How much wider the distributions of a network's tasks are than it says, found on validation images.

    Another split, the test split above all, has no part in it.
    """

    spreads: Mapping[str, float]
    """By task: scores of classes are divided by it (temperature), predicted widths multiplied. Above 1 the network was
    too sure, below 1 not sure enough. A task without a label has none."""
    split: str
    """On which it was found."""
    images: int
    """How many of it, evenly spread."""
    data: str
    """The fingerprint of the data (``taskscape.data.Manifest``)."""
    weights: str
    """SHA-256 of the file of weights that it belongs to."""

    def save(self, path: Path) -> None:
        """Write it; a reader sees the old file or the new one, never half of one."""
        atomic_write(path, json.dumps(unstructure(self), indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read it. Raises ``FileNotFoundError``, or ``ValueError`` that names the file and the remedy."""
        try:
            found = structure(read_json(path), str(path), cls)
        except ValueError as error:
            raise ValueError(f"{error}; delete it, and evaluate the run again") from error
        if wrong := [task for task, spread in found.spreads.items() if not 0 < spread < float("inf")]:
            raise ValueError(f"{path}: the spread of {wrong[0]} is not positive; delete it, and evaluate the run again")
        return found
