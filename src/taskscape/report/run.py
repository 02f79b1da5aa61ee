"""Reading of a run from its folder."""

from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Self

from taskscape.files.digest import sha256
from taskscape.report.checks import check_plots, check_samples
from taskscape.report.logged import Curve, read_curves, read_steps
from taskscape.run_folder.names import RunFolder
from taskscape.run_folder.result import Result
from taskscape.run_folder.samples import Samples, read_samples
from taskscape.serialization import counted, nearest
from taskscape.serialization.plain import read_json, read_yaml
from taskscape.views import view


@dataclass(frozen=True)
class Run:
    """The data of a run that a report needs, except its sample images."""

    folder: RunFolder
    settings: dict[str, Any]
    """``experiment.yaml``: nested dicts of plain values."""
    curves: dict[str, Curve]
    """By column of ``metrics.csv``."""
    result: Result
    last: int = 0
    """Number of last epochs that the metrics are means of; 0 if they are those of the best epoch."""

    @property
    def name(self) -> str:
        """The name of the run's folder."""
        return self.folder.name

    @cached_property
    def steps(self) -> dict[str, Curve]:
        """Values logged per step: ``loss/TASK`` and ``lr`` over fractional epochs."""
        rows = self.curves.get("step", [])
        return read_steps(self.folder, rows[-1][1] / rows[-1][0]) if rows and rows[-1][0] > 0 else {}

    @property
    def unfinished(self) -> str:
        """The training behind the result if it is not the whole run: ``2 of 5 epochs``; empty if it is."""
        progress = self.result.progress
        if progress is None or (progress.finished and not self.epochs_since):
            return ""
        return f"{progress.epochs} of {max(progress.epochs + self.epochs_since, progress.planned)} epochs"

    @property
    def epochs_since(self) -> int:
        """Epochs for which the run was trained after the evaluation."""
        progress, epochs = self.result.progress, self.curves.get("epoch")
        return max(round(epochs[-1][0]) - progress.epochs, 0) if progress is not None and epochs else 0

    @property
    def outdated(self) -> str:
        """A sentence on the training after the evaluation, with the remedy; empty if there was none."""
        if not self.epochs_since:
            return ""
        command = self.folder.evaluate_command(self.result.split, self.result.tta)
        epochs = counted(self.epochs_since, "more epoch", "more epochs")
        return f"{self.name} was trained for {epochs} after this evaluation. Evaluate it again: {command}"

    @property
    def best_epoch(self) -> int | None:
        """The epoch whose weights the run keeps: the best one by the monitored metric; None if that is unknown."""
        validated = {epoch for name, curve in self.curves.items() if name.startswith("val/") for epoch, _ in curve}
        since_best = self.curves.get("epochs_since_best", [])
        return max((round(epoch) for epoch, since in since_best if since == 0 and epoch in validated), default=None)

    @cached_property
    def code(self) -> dict[str, str]:
        """The SHA-256 of each copy of a user's file that the run was trained with, by its path in ``folder.code``."""
        files = sorted(path for path in self.folder.code.rglob("*.py") if path.is_file())
        return {path.relative_to(self.folder.code).as_posix(): sha256(path) for path in files}

    @cached_property
    def training_data(self) -> str:
        """The fingerprint of the training data; empty if it is unknown."""
        try:
            return str(read_json(self.folder.data)["train"]["fingerprint"])
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    @classmethod
    def load(cls, path: Path, split: str = "val", tta: bool | str = False) -> "Run":
        """Read a run with its result on a split.

        Raises ``ValueError`` or ``FileNotFoundError`` that names what is missing and the command that makes it.
        """
        folder = RunFolder(path)
        folder.require()
        result = folder.result(split, tta)
        if not result.is_file():
            raise ValueError(f"{path} has no {result.name} {_remedy(folder, split, tta)}")
        settings = read_yaml(folder.experiment)
        if not isinstance(settings, dict):
            raise ValueError(f"{folder.experiment} is damaged: it must be a mapping of settings")
        loaded = Result.load(result)
        try:
            check_plots(loaded.plots, loaded.tasks)
        except ValueError as error:
            remedy = folder.evaluate_command(split, tta)
            raise ValueError(f"{result} is damaged: {error}; create it again with `{remedy}`") from error
        return cls(folder, settings, read_curves(folder), loaded)

    @property
    def last_words(self) -> str:
        """What ``result.last_epochs`` are means of: ``last 10 epochs``, or ``last 5 validations`` if not every epoch
        ended with one; empty if there are none."""
        mean = self.result.last_epochs
        if mean is None:
            return ""
        unit = "epoch" if self.settings.get("validate_every", 1) == 1 else "validation"
        return f"last {mean.epochs} {unit}s" if mean.epochs > 1 else f"last {unit}"

    def of_last_epochs(self) -> Self:
        """Return the run with the means of its last epochs as metrics. Raises ``ValueError`` if it has none."""
        mean = self.result.last_epochs
        if mean is None:
            raise ValueError(
                f"{self.folder.path} has no means of its last epochs: train with --average-last 10, or, as the epochs "
                f"are already logged, set average_last in {self.folder.experiment} and run "
                f"`{self.folder.evaluate_command()}`"
            )
        return replace(self, result=replace(self.result, metrics=mean.metrics), last=mean.epochs)

    def samples(self) -> Samples:
        """Read the sample images with their labels and predictions; empty if the run has none.

        Raises ``ValueError`` that names the file if it is damaged, and for a modality without a view.
        """
        path = self.folder.samples(self.result.split, self.result.tta)
        for modality in self.result.tasks.values() if path.is_file() else ():
            view(modality)
        return read_samples(path, partial(check_samples, tasks=self.result.tasks))


def _remedy(folder: RunFolder, split: str, tta: bool | str) -> str:
    """Return the end of a message about a missing result: the nearest one, or the command that makes it."""
    evaluated = [path.stem.removeprefix("result-") for path in folder.results()[1:]]
    if (splits := folder.splits) and split not in splits:
        return f"and its data has no split {split!r}{nearest(split, [*splits, *evaluated])}"
    similar = nearest(split, evaluated)
    return (
        f"yet{similar}" if "did you mean" in similar else f"yet; make it with `{folder.evaluate_command(split, tta)}`"
    )
