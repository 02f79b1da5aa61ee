"""The best epoch: the one whose weights a run keeps."""

from collections.abc import Mapping
from typing import Any

from taskscape.evaluation import Evaluation
from taskscape.metrics.base import TaskMetric
from taskscape.metrics.joint import JOINT
from taskscape.metrics.spec import MetricSpec
from taskscape.serialization import named, nearest
from taskscape.tasks import Task


class BestEpoch:
    """Compares epochs by one validation metric, in the direction given by its spec.

    The metric is ``monitor``, such as ``semseg/miou`` or ``grader``; by default the leading metric of the first task
    with labels in the validation images. Raises ``ValueError`` for a metric that neither the tasks nor the joint
    metrics declare, and if there is no leading metric. ``patience`` is the number of validations without improvement
    after which training stops; with None it goes on.
    """

    def __init__(self, tasks: Mapping[str, Task], monitor: str | None = None, patience: int | None = None) -> None:
        specs = declared_metrics(tasks)
        if monitor is not None and monitor not in specs:
            names = [name for name, spec in specs.items() if not spec.per_class]
            near = nearest(monitor, names) or f"; there is {', '.join(names)}"
            raise ValueError(f"monitor is {monitor!r}, which is no metric of these tasks{near}")
        self.leading = [name for name, spec in specs.items() if spec.leads]
        self.candidates = self.leading if monitor is None else [monitor]
        if not self.candidates:
            raise ValueError(f"no metric leads, so choose one of {', '.join(specs)} with --monitor")
        self.patience = patience
        self.value: float | None = None
        """The best value so far."""
        self.epochs_since = 0
        """Validations since the best one."""
        self.name = self.candidates[0]
        """The metric that is compared."""

    def update(self, evaluation: Evaluation) -> bool:
        """Compare the validation of an epoch with the best so far, and return whether it is better.

        The first validation decides which metric is compared; a later one without this metric, which may be NaN for
        some predictions, is not better. Raises ``ValueError`` if the first one has none of them.
        """
        if self.value is None:
            self.name = self._first_of(evaluation)
        value = evaluation.metrics.get(self.name)
        if value is None or not (self.value is None or _is_better(value, self.value, evaluation.specs[self.name])):
            self.epochs_since += 1
            return False
        self.value, self.epochs_since = value, 0
        return True

    def _first_of(self, evaluation: Evaluation) -> str:
        """Return the first of the candidates that an evaluation has. Raises ``ValueError``."""
        name = next((name for name in self.candidates if name in evaluation.metrics), None)
        if name is None:
            raise ValueError(
                f"validation gives no {' or '.join(self.candidates)} to choose the best epoch by: the images have no "
                f"such labels; choose one of its metrics with --monitor: {', '.join(evaluation.metrics)}"
            )
        return name

    @property
    def is_out_of_patience(self) -> bool:
        """Whether training stops."""
        return self.patience is not None and self.epochs_since >= self.patience

    def headline(self, evaluation: Evaluation) -> dict[str, float]:
        """Return the metrics that summarize an epoch: the leading ones and the monitored one."""
        names = dict.fromkeys([*self.leading, *self.candidates])
        return {name: evaluation.metrics[name] for name in names if name in evaluation.metrics}


def declared_metrics(tasks: Mapping[str, Task]) -> dict[str, MetricSpec]:
    """Return specs of the metrics that an evaluation may give, by ``task/metric``, and of joint metrics by name."""
    specs: dict[str, MetricSpec] = {}
    for name, task in tasks.items():
        metrics: Any = task.metrics()
        if not isinstance(metrics, TaskMetric):
            raise ValueError(f"{named(type(task).metrics)} gives a {type(metrics).__name__}: return a TaskMetric")
        specs |= {f"{name}/{key}": spec for key, spec in metrics.specs.items()}
    possible = dict.fromkeys(specs, 0.0)
    return specs | {joint.name: joint.spec for joint in JOINT if joint.compute(possible) is not None}


def _is_better(value: float, than: float, spec: MetricSpec) -> bool:
    return value > than if spec.higher_is_better else value < than
