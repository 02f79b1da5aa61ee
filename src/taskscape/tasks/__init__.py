"""The tasks: what a network's raw output means, what it is compared by, and how it is measured.

To add one, write its modality, view, loss and metrics where the package lacks them, then the task's own file, and name
it in ``TASKS``; or keep it in a file of your own.
"""

from collections.abc import Mapping

from taskscape.modalities import Modality
from taskscape.serialization import offer
from taskscape.tasks.albedo import Albedo
from taskscape.tasks.base import Task
from taskscape.tasks.boundaries import Boundaries
from taskscape.tasks.depth import Depth, Representation
from taskscape.tasks.normals import SurfaceNormals
from taskscape.tasks.semseg import SemanticSegmentation

__all__ = [
    "TASKS",
    "Albedo",
    "Boundaries",
    "Depth",
    "Representation",
    "SemanticSegmentation",
    "SurfaceNormals",
    "Task",
    "default_task",
    "default_tasks",
]

TASKS: tuple[type[Task], ...] = (SemanticSegmentation, Depth, SurfaceNormals, Boundaries, Albedo)
"""The kinds of task of the package."""

offer(Task, TASKS)


def default_tasks() -> Mapping[str, Task]:
    """Return what is learnt unless an experiment says otherwise: segmentation and depth."""
    return {"semseg": SemanticSegmentation(), "depth": Depth()}


def default_task(field: str, modality: Modality) -> Task:
    """Return the package's task that predicts this modality, with the settings that suit the data.

    It is the one of the modality's name. Raises ``ValueError`` where there is none.
    """
    for kind in TASKS:
        if kind.name == modality.name:
            return kind().for_data(field, modality)
    raise ValueError(
        f"field {field!r} holds {modality.name}, which no task of the package predicts: name a task of yours"
    )
