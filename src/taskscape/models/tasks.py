"""The tasks of a network: their names and channels, and those that a setting lists."""

from collections.abc import Iterable, Mapping
from numbers import Integral
from typing import TYPE_CHECKING, Any

from torch import nn

from taskscape.serialization import nearest

if TYPE_CHECKING:
    from taskscape.tasks import Task

_MODULES = nn.ModuleDict()
"""Networks keep the parts of each task in such a dict, so no task can have the name of one of its attributes."""


def is_used_by_torch(name: str) -> bool:
    """Return whether no task can have this name, since torch's modules have an attribute of this name."""
    return hasattr(_MODULES, name)


def checked_channels(out_channels: Any) -> dict[str, int]:
    """Return the channels per task as a dictionary of ints. Raises ``ValueError`` if they are invalid."""
    example = 'give the output channels of each task by its name, such as {"semseg": 19, "depth": 1}'
    if not isinstance(out_channels, Mapping):
        raise ValueError(f"out_channels is {out_channels!r}: {example}")
    if not out_channels:
        raise ValueError(f"a network needs at least one task: {example}")
    for task, channels in out_channels.items():
        if not isinstance(task, str):
            raise ValueError(f"out_channels has the key {task!r}, but task names are strings: {example}")
        if not task or "." in task or is_used_by_torch(task):
            raise ValueError(
                f"out_channels: {task!r} cannot be the name of a task, since torch uses it: choose another"
            )
        if isinstance(channels, bool) or not isinstance(channels, Integral) or channels < 1:
            raise ValueError(f"out_channels of {task} is {channels!r}: it must be a whole number, at least 1")
    return {task: int(channels) for task, channels in out_channels.items()}


def known_tasks(setting: str, tasks: Iterable[str], known: Iterable[str]) -> tuple[str, ...]:
    """Return the tasks that a setting lists. Raises ``ValueError`` naming the setting if one is unknown."""
    known, tasks = tuple(known), tuple(tasks)
    for task in tasks:
        if task not in known:
            raise ValueError(f"network.{setting}: there is no task {task!r}{nearest(task, known)}")
    return tasks


def ring(tasks: Iterable[str]) -> list[tuple[str, str]]:
    """Return the (source, target) pairs of ``auxiliary["transferred"]``: each task to the next, the last to the first.

    Two tasks are transferred to each other; a single task has no pair.
    """
    names = list(tasks)
    return list(zip(names, names[1:] + names[:1], strict=True)) if len(names) > 1 else []


def class_tasks(tasks: Mapping[str, "Task"]) -> tuple[str, ...]:
    """Return the tasks whose raw output is one score per class."""
    return tuple(name for name, task in tasks.items() if task.predicts_classes)


def tasks_of_classes(setting: str, chosen: tuple[str, ...] | None, out_channels: Mapping[str, int]) -> tuple[str, ...]:
    """Return the tasks that a setting lists; without a list, infer from the channels which tasks predict classes.

    One channel is a quantity, more than three are class scores. Two or three may be a vector or class scores; in that
    case ``ValueError`` asks for an explicit list.
    """
    if chosen is not None:
        return known_tasks(setting, chosen, out_channels)
    for task, channels in out_channels.items():
        if channels in (2, 3):
            raise ValueError(
                f"network.{setting}: the {channels} channels of {task!r} may be a vector or class scores; "
                f"list the tasks with classes, such as {setting}=({task!r},), or () for none"
            )
    return tuple(task for task, channels in out_channels.items() if channels > 3)
