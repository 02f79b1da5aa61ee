"""Building block of the settings that hold a number per task."""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray


def check_per_task(field: str, numbers: Mapping[str, float], tasks: Sequence[str]) -> None:
    """Raise ``ValueError`` where a number is not finite, negative, or belongs to a task that is not trained."""
    for task, number in numbers.items():
        if task not in tasks:
            raise ValueError(
                f"weighting.{field} names {task!r}, but the tasks are {', '.join(tasks)}: give numbers for these, "
                f"as in --weighting.{field} {tasks[0]} 1, or choose another weighting"
            )
        if not 0 <= number < math.inf:
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
