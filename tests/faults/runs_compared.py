"""Compare a run that was killed and resumed with one that was not."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import torch

from taskscape.run_folder import RunFolder
from taskscape.run_folder.events import read_events
from taskscape.training import checkpoint


def differences(whole: Path, killed: Path) -> list[str]:
    """Return the differences between two finished runs, except their times; empty if there are none."""
    found = []
    a, b = RunFolder(whole), RunFolder(killed)
    if not _same(checkpoint.load(a.checkpoint), checkpoint.load(b.checkpoint)):
        found.append("the checkpoints differ")
    if a.weights.read_bytes() != b.weights.read_bytes():
        found.append("the best weights differ")
    if _rows(a) != _rows(b):
        found.append("metrics.csv differs")
    if _metrics(a) != _metrics(b):
        found.append("the results differ")
    if repeated := [point for point, count in Counter(_points(b)).items() if count > 1]:
        found.append(f"TensorBoard has {len(repeated)} points twice, such as {repeated[0]}")
    if set(_points(a)) != set(_points(b)):
        found.append("TensorBoard has other points")
    if left := [path.name for path in killed.rglob("*") if path.suffix in (".part", ".lock")]:
        found.append(f"{', '.join(left)} was left behind")
    return found


def _points(folder: RunFolder) -> list[tuple[str, int]]:
    events = (event for path in folder.events for event, _ in read_events(path))
    return [(value.tag, event.step) for event in events for value in event.summary.value]


def _rows(folder: RunFolder) -> list[dict[str, str]]:
    measured = ("seconds", "memory/", "energy/")
    return [{name: cell for name, cell in row.items() if not name.startswith(measured)} for row in folder.table()]


def _metrics(folder: RunFolder) -> Any:
    return json.loads(folder.result().read_text("utf-8"))["metrics"]


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a if key != "seconds")
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    return torch.equal(a, b) if isinstance(a, torch.Tensor) else bool(a == b)
