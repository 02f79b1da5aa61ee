"""What a run logged: values per epoch, and values per step, thinned to the resolution of a chart."""

import math
from statistics import fmean

from taskscape.run_folder.events import read_events
from taskscape.run_folder.names import RunFolder

Curve = list[tuple[float, float]]
"""Pairs (epoch, value), without epochs that have no value."""

MOST_POINTS = 200
"""Maximum number of points of a curve; more are averaged in groups of neighbors."""


def read_curves(folder: RunFolder) -> dict[str, Curve]:
    """Return the columns of ``metrics.csv`` over epochs, without cells that are not finite numbers."""
    curves: dict[str, Curve] = {}
    for position, row in enumerate(folder.metric_rows()):
        values = {column: value for column, cell in row.items() if (value := _finite(cell)) is not None}
        epoch = values.get("epoch", position)
        for column, value in values.items():
            curves.setdefault(column, []).append((epoch, value))
    return curves


def _finite(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def read_steps(folder: RunFolder, steps_per_epoch: float) -> dict[str, Curve]:
    """Return the values logged per step, such as ``loss/TASK`` and ``lr``, over fractional epochs."""
    curves: dict[str, Curve] = {}
    for path in folder.events:
        for event, _ in read_events(path):
            for value in event.summary.value:
                if value.tag.startswith("step/"):
                    point = (event.step / steps_per_epoch, value.simple_value)
                    curves.setdefault(value.tag.removeprefix("step/"), []).append(point)
    return {name: thinned(curve) for name, curve in curves.items()}


def thinned(curve: Curve) -> Curve:
    """Return at most ``MOST_POINTS`` points: means of equal groups of neighbors, and the last point unchanged."""
    size = -(-len(curve) // MOST_POINTS)
    if size == 1:
        return curve
    groups = [curve[i : i + size] for i in range(0, len(curve), size)]
    means = [(fmean(x for x, _ in group), fmean(y for _, y in group)) for group in groups]
    return [*means[:-1], curve[-1]]
