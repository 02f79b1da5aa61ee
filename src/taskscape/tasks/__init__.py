"""Tasks, which define the meaning, the loss and the metrics of a network's raw output.

To add a task, write the modality, view, loss and metrics that the package lacks, then the task's module, and add it to
``TASKS``; or keep it in a file of your own.
"""

from collections.abc import Mapping

from taskscape.modalities import Modality
from taskscape.serialization import offer
from taskscape.tasks.albedo import Albedo
from taskscape.tasks.base import Task
from taskscape.tasks.boundaries import Boundaries
from taskscape.tasks.depth import Depth, ScaleRule
from taskscape.tasks.depth_encoding import Representation
from taskscape.tasks.normals import SurfaceNormals
from taskscape.tasks.semseg import SemanticSegmentation

__all__ = [
    "TASKS",
    "Albedo",
    "Boundaries",
    "Depth",
    "Representation",
    "ScaleRule",
    "SemanticSegmentation",
    "SurfaceNormals",
    "Task",
    "default_tasks",
    "tasks_for",
]

TASKS: tuple[type[Task], ...] = (SemanticSegmentation, Depth, SurfaceNormals, Boundaries, Albedo)
"""The kinds of task of the package."""

offer(Task, TASKS)


def default_tasks() -> Mapping[str, Task]:
    """Return the tasks of an experiment that does not specify any: segmentation and depth.

    >>> list(default_tasks())
    ['semseg', 'depth']
    """
    return {"semseg": SemanticSegmentation(), "depth": Depth()}


def tasks_for(fields: Mapping[str, Modality]) -> dict[str, Task]:
    """Return a task for each field of a store, with settings that fit the data.

    The task is the one with the name of the field's modality. A field of a user-defined modality, which no task of the
    package predicts, is left out.

    >>> from taskscape import modalities
    >>> fields = {"semseg": modalities.Semseg(modalities.CLASS_SETS["nyuv2-13"]), "facing": modalities.Normals()}
    >>> tasks = tasks_for(fields)
    >>> tasks["semseg"].channels, type(tasks["facing"]).__name__
    (13, 'SurfaceNormals')
    """
    task_types = {task_type.name: task_type for task_type in TASKS}
    return {
        field: task_types[modality.name]().for_data(field, modality)
        for field, modality in fields.items()
        if modality.name in task_types
    }
