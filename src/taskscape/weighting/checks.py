"""Building block of the settings: what their numbers must be, and numbers per task."""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray


def check_number(field: str, number: float, usual: str, *, or_zero: bool = False) -> None:
    """Raise ``ValueError`` where a number is nan, infinite, negative, or zero unless ``or_zero``; say what is usual."""
    if not _finite(number) or number < 0 or (number == 0 and not or_zero):
        bound = "not negative" if or_zero else "positive"
        raise ValueError(f"weighting.{field} is {number}; it must be finite and {bound}: {usual}")


def check_count(field: str, number: int) -> None:
    """Raise ``ValueError`` where a number is no whole number from 1 on."""
    if not _finite(number) or number != int(number) or number < 1:
        raise ValueError(f"weighting.{field} is {number}; it must be a positive whole number")


def check_per_task(field: str, numbers: Mapping[str, float], tasks: Sequence[str]) -> None:
    """Raise ``ValueError`` where a number is not finite, negative, or belongs to a task that is not trained."""
    for task, number in numbers.items():
        if task not in tasks:
            raise ValueError(f"weighting.{field} names {task!r}, but the tasks are {', '.join(tasks)}")
        if not _finite(number) or number < 0:
            raise ValueError(f"weighting.{field}: {task} has {number}; it must be finite and not negative")


def check_preference(preference: Mapping[str, float], tasks: Sequence[str]) -> None:
    """Raise ``ValueError`` where a preference is not positive or belongs to a task that is not trained."""
    check_per_task("preference", preference, tasks)
    for task, number in preference.items():
        if number == 0:
            raise ValueError(f"weighting.preference: {task} has 0; it must be positive, or leave the task out")


def preferences(preference: Mapping[str, float], tasks: Iterable[str]) -> NDArray[np.float64]:
    """Return the preferences of these tasks, (tasks,), 1 for those without one, scaled to sum to one."""
    numbers: NDArray[np.float64] = np.array([preference.get(task, 1.0) for task in tasks], np.float64)
    numbers /= numbers.sum()
    return numbers


def _finite(number: object) -> bool:
    return isinstance(number, int | float) and math.isfinite(number)
