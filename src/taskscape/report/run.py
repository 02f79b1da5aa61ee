"""Reads a run from its folder."""

import csv
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from taskscape.run_folder.result import Result, suffix

Curve = list[tuple[float, float]]
"""(epoch, value) where there is a value."""


@dataclass(frozen=True)
class Run:
    """What a report needs of a run, without its sample pictures."""

    path: Path
    settings: dict[str, Any]
    """``experiment.yaml``: nested dicts of plain values."""
    curves: dict[str, Curve]
    """By column of ``metrics.csv``."""
    result: Result
    ending: str = ""
    """Of the names of the files it was read from: ``taskscape.run_folder.result.suffix``."""

    @property
    def name(self) -> str:
        """The name of the run's folder."""
        return self.path.resolve().name

    @classmethod
    def load(cls, path: Path, split: str = "val", tta: bool = False) -> "Run":
        """Read a run, as measured on a split.

        Raises ``ValueError`` that names what is missing and the command that makes it.
        """
        experiment = path / "experiment.yaml"
        if not experiment.is_file():
            raise ValueError(
                f"{path} is not a run: it has no experiment.yaml; make a run with `taskscape train RECIPE`"
            )
        ending = suffix(split, tta)
        if not (path / f"result{ending}.json").is_file():
            how = ("" if split == "val" else f" --split {split}") + (" --tta" if tta else "")
            raise ValueError(f"{path} has no result{ending}.json yet; make it with `taskscape evaluate {path}{how}`")
        settings = yaml.safe_load(experiment.read_text()) or {}
        return cls(
            path, settings, _read_curves(path / "metrics.csv"), Result.load(path / f"result{ending}.json"), ending
        )

    def samples(self) -> dict[str, npt.NDArray[Any]]:
        """Read the sample pictures; empty where the run has none."""
        path = self.path / f"samples{self.ending}.npz"
        if not path.is_file():
            return {}
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)


def _read_curves(path: Path) -> dict[str, Curve]:
    """Read a table with a row per epoch; cells that are empty or not finite are left out, and so are empty columns."""
    curves: dict[str, Curve] = {}
    if not path.is_file():
        return curves
    with path.open(newline="") as file:
        for position, row in enumerate(csv.DictReader(file)):
            epoch = _number(row.get("epoch"))
            for column, cell in row.items():
                value = _number(cell)
                if value is not None:
                    curves.setdefault(column, []).append((position if epoch is None else epoch, value))
    return curves


def _number(cell: object) -> float | None:
    try:
        value = float(str(cell))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def flatten(settings: Any, prefix: str = "") -> dict[str, str]:
    """Return every setting as text by its dotted name; lists are one setting."""
    if isinstance(settings, dict) and settings:
        return {
            name: text
            for key, value in settings.items()
            for name, text in flatten(value, f"{prefix}.{key}" if prefix else str(key)).items()
        }
    return {prefix: settings if isinstance(settings, str) else json.dumps(settings, default=str, ensure_ascii=False)}


def headline(setting: Any) -> str:
    """Return the one word that stands for a setting: its value, or which of several kinds it is."""
    if isinstance(setting, dict):
        scalars = {k: v for k, v in setting.items() if not isinstance(v, dict | list)}
        kind = scalars.get("is", next(iter(scalars.values()), ""))
        return f"{kind}, {scalars['encoder']}" if "encoder" in scalars and "is" in scalars else str(kind)
    return flatten(setting, "_")["_"]
