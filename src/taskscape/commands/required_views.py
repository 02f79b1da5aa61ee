"""A check that the tasks of an experiment can be shown: the report that ends a run needs their views."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from taskscape.runs import Experiment


def require_views(experiment: "Experiment") -> None:
    """Raise ``ValueError`` that names a task whose modality has no view."""
    from taskscape.views import view

    for name, task in experiment.tasks.items():
        try:
            modality = task.modality
        except ValueError:  # its classes come from the data
            continue
        try:
            view(modality)
        except ValueError as error:
            raise ValueError(f"tasks.{name}: {error}") from error
