"""Building block of the settings that give a number per task."""

from collections.abc import Iterable, Mapping, Sequence

from torch import Tensor


def check_per_task(field: str, given: Mapping[str, float], tasks: Sequence[str]) -> None:
    """Raise ``ValueError`` where a number is negative or belongs to a task that is not trained."""
    for task, number in given.items():
        if task not in tasks:
            raise ValueError(f"weighting.{field} names {task!r}, but the tasks are {', '.join(tasks)}")
        if not 0 <= number < float("inf"):
            raise ValueError(f"weighting.{field}: {task} has {number}; it must be finite and not negative")


def check_preference(given: Mapping[str, float], tasks: Sequence[str]) -> None:
    """Raise ``ValueError`` where a preference is not positive or belongs to a task that is not trained."""
    check_per_task("preference", given, tasks)
    for task, number in given.items():
        if number == 0:
            raise ValueError(f"weighting.preference: {task} has 0; it must be positive, or leave the task out")


def preference(given: Mapping[str, float], present: Iterable[str], like: Tensor) -> Tensor:
    """Return the preferences of the tasks that are present, 1 where none is given, scaled to sum to one."""
    numbers = like.new_tensor([given.get(task, 1.0) for task in present])
    return numbers / numbers.sum()
