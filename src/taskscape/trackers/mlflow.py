"""The MLflow tracker."""

import re
import time
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, ClassVar

from typing_extensions import override

from taskscape.trackers.base import Tracker, require_package

_MAX_PER_CALL = 1000, 100
"""Maximum number of metrics and of parameters that MLflow accepts per call."""
_MAX_LENGTH = 6000
"""Maximum number of characters of a parameter's value."""
_FORBIDDEN = re.compile(r"[^\w\-. /]")
"""A character that MLflow does not allow in names."""


class MLflowTracker(Tracker):
    """MLflow (https://mlflow.org/docs/latest/ml/tracking).

    MLflow's environment variables choose the destination: ``MLFLOW_TRACKING_URI``, by default a database in the current
    folder, and ``MLFLOW_EXPERIMENT_NAME``, by default ``taskscape``.
    """

    name: ClassVar[str] = "mlflow"

    @override
    @classmethod
    def check(cls) -> None:
        require_package("mlflow")

    @override
    def __init__(self, folder: Path, settings: Mapping[str, str], known_as: str | None) -> None:
        import os

        from mlflow import MlflowClient
        from mlflow.entities import Param

        self._client = MlflowClient()
        self._pending: list[Any] = []
        self._last_steps: dict[str, int] = {}
        """The last step of each metric that an earlier part of the run has sent."""
        if known_as is not None:
            self._id = known_as
            self._client.update_run(known_as, "RUNNING")
            sent = self._client.get_run(known_as).data.to_proto().metrics
            self._last_steps = {metric.key: metric.step for metric in sent}
            return
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "taskscape")
        experiment = self._client.get_experiment_by_name(name)
        experiment_id = self._client.create_experiment(name) if experiment is None else experiment.experiment_id
        self._id = self._client.create_run(experiment_id, run_name=folder.resolve().name).info.run_id
        names = _allowed_names(settings)
        parameters = [Param(names[name], value[:_MAX_LENGTH]) for name, value in settings.items()]
        for start in range(0, len(parameters), _MAX_PER_CALL[1]):
            self._client.log_batch(self._id, params=parameters[start : start + _MAX_PER_CALL[1]])

    @property
    @override
    def id(self) -> str:
        return self._id

    @override
    def write(self, step: int, values: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        milliseconds, names = int(1000 * time.time()), _allowed_names(values)
        # MLflow would keep a second point for a step that is repeated after the last checkpoint.
        new = [name for name in values if step > self._last_steps.get(names[name], -1)]
        self._pending += [Metric(names[name], values[name], milliseconds, step) for name in new]

    @override
    def flush(self) -> None:
        for start in range(0, len(self._pending), _MAX_PER_CALL[0]):
            self._client.log_batch(self._id, metrics=self._pending[start : start + _MAX_PER_CALL[0]])
        self._pending = []

    @override
    def close(self, finished: bool) -> None:
        self.flush()
        self._client.set_terminated(self._id, "FINISHED" if finished else "KILLED")


def _allowed_names(names: Collection[str]) -> dict[str, str]:
    """Return each name with "_" for characters that MLflow does not allow; class names may contain any.

    Where two names would become one, the codes of the replaced characters are inserted: ``a_2b_b`` for ``a+b``.
    """
    allowed = {name: _FORBIDDEN.sub("_", name) for name in names}
    counts = Counter(allowed.values())
    return {
        name: _FORBIDDEN.sub(lambda match: f"_{ord(match[0]):x}_", name) if counts[short] > 1 else short
        for name, short in allowed.items()
    }
