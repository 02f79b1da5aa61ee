"""Tasks that predict classes, for networks that treat them differently."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from taskscape.models.base import known_tasks

if TYPE_CHECKING:
    from taskscape.tasks import Task


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
