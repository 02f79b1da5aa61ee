"""Which tasks predict classes, for networks that treat these in another way."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from taskscape.models.base import known_tasks

if TYPE_CHECKING:
    from taskscape.tasks import Task


def class_tasks(tasks: Mapping[str, "Task"]) -> tuple[str, ...]:
    """Return the tasks whose raw output is a score for each of several classes."""
    return tuple(name for name, task in tasks.items() if task.predicts_classes)


def tasks_of_classes(setting: str, chosen: tuple[str, ...] | None, out_channels: Mapping[str, int]) -> tuple[str, ...]:
    """Return what a setting lists, or else the tasks whose number of channels is that of classes.

    One channel holds a quantity, more than three are scores of classes. Two or three may be either, a vector or
    classes: then ``ValueError`` asks to say it.
    """
    if chosen is not None:
        return known_tasks(setting, chosen, out_channels)
    for task, channels in out_channels.items():
        if channels in (2, 3):
            raise ValueError(
                f"network.{setting}: the {channels} channels of {task!r} may be a vector or scores of classes; "
                f"list the tasks with classes, such as {setting}=({task!r},), or () for none"
            )
    return tuple(task for task, channels in out_channels.items() if channels > 3)
