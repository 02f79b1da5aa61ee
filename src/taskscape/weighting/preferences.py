"""Preferences of the methods that can favor some tasks over others."""

from collections.abc import Iterable, Mapping

import numpy as np

from taskscape.weighting.gramian import Array


def preferences(preference: Mapping[str, float], tasks: Iterable[str]) -> Array:
    """Return the preferences of these tasks, (tasks,), with 1 for tasks not listed, scaled to sum to one."""
    weights = np.array([preference.get(task, 1.0) for task in tasks], np.float64)
    return weights / float(weights.sum())
