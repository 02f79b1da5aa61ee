"""The MLflow tracker."""

import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from typing_extensions import override

from taskscape.trackers.base import Tracker, require_package

_MAX_PER_CALL = 1000, 100
"""Maximum number of metrics and of parameters that MLflow accepts per call."""
_MAX_LENGTH = 6000
"""Maximum number of characters of a parameter's value."""


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
        if known_as is not None:
            self._id = known_as
            self._client.update_run(known_as, "RUNNING")
            return
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "taskscape")
        experiment = self._client.get_experiment_by_name(name)
        experiment_id = self._client.create_experiment(name) if experiment is None else experiment.experiment_id
        self._id = self._client.create_run(experiment_id, run_name=folder.resolve().name).info.run_id
        parameters = [Param(_allowed_name(name), value[:_MAX_LENGTH]) for name, value in settings.items()]
        for start in range(0, len(parameters), _MAX_PER_CALL[1]):
            self._client.log_batch(self._id, params=parameters[start : start + _MAX_PER_CALL[1]])

    @property
    @override
    def id(self) -> str:
        return self._id

    @override
    def write(self, step: int, values: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        milliseconds = int(1000 * time.time())
        self._pending += [Metric(_allowed_name(name), value, milliseconds, step) for name, value in values.items()]

    @override
    def flush(self) -> None:
        for start in range(0, len(self._pending), _MAX_PER_CALL[0]):
            self._client.log_batch(self._id, metrics=self._pending[start : start + _MAX_PER_CALL[0]])
        self._pending = []

    @override
    def close(self, finished: bool) -> None:
        self.flush()
        self._client.set_terminated(self._id, "FINISHED" if finished else "KILLED")


def _allowed_name(name: str) -> str:
    """Replace characters that MLflow does not allow in names; class names may contain any."""
    return re.sub(r"[^\w\-. /]", "_", name)
