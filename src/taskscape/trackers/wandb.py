"""The Weights & Biases tracker."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from typing_extensions import override

from taskscape.trackers.base import Tracker, require_package


class WandbTracker(Tracker):
    """Weights & Biases (https://docs.wandb.ai).

    Its environment variables choose server, project and mode: ``WANDB_MODE=offline`` writes to the run's folder, which
    ``wandb sync`` uploads later. Without ``WANDB_PROJECT`` the project is ``taskscape``.
    """

    name: ClassVar[str] = "wandb"

    @override
    @classmethod
    def check(cls) -> None:
        require_package("wandb")

    @override
    def __init__(self, folder: Path, settings: Mapping[str, str], known_as: str | None) -> None:
        import os

        import wandb

        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "taskscape"),
            name=folder.resolve().name,
            dir=str(folder),
            config=dict(settings),
            id=known_as,
            resume="allow",
            settings=wandb.Settings(silent=True, console="off"),
        )

    @property
    @override
    def id(self) -> str:
        return str(self._run.id)

    @override
    def write(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    @override
    def close(self, finished: bool) -> None:
        self._run.finish(exit_code=0 if finished else 1)
