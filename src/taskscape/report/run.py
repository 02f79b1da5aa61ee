"""Reading of a run from its folder."""

import math
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Self

from taskscape.files.digest import sha256
from taskscape.report.glossary import leading
from taskscape.report.plots import check_plots, check_samples
from taskscape.report.steps import Curve, read_steps
from taskscape.run_folder.names import RunFolder
from taskscape.run_folder.result import Result
from taskscape.run_folder.samples import MOST_BYTES, Samples, read_samples
from taskscape.serialization import counted, nearest
from taskscape.serialization.flat import setting_text
from taskscape.serialization.plain import read_json, read_yaml

_MAX_SAMPLES = 16
"""Number of sample images that the size limit of the unpacked file allows for."""


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
        if since := self.curves.get("epochs_since_best"):
            last, count = since[-1]
            validated = sorted({x for name, curve in self.curves.items() if name.startswith("val/") for x, _ in curve})
            validated = [epoch for epoch in validated if epoch <= last]
            return round(validated[-1 - round(count)]) if count < len(validated) else None
        return self._best_epoch_by_monitor()

    def _best_epoch_by_monitor(self) -> int | None:
        """Return the best epoch of a run of an earlier version, which did not log it.

        It is unknown if the run was continued with other settings, since another metric may have been monitored.
        """
        validation = self._validation
        if validation is None or self.settings.get("continued"):
            return None
        chosen = self.settings.get("monitor")
        monitors = leading(validation.metrics, validation.specs) if chosen is None else [str(chosen)]
        monitor = next((name for name in monitors if f"val/{name}" in self.curves and name in validation.specs), None)
        if monitor is None:
            return None
        sign = 1 if validation.specs[monitor].higher_is_better else -1
        return round(max(self.curves[f"val/{monitor}"], key=lambda point: sign * point[1])[0])

    @cached_property
    def _validation(self) -> Result | None:
        """The run's result on its own validation images, which may have other labels than those of ``result``."""
        if self.result.split == "val":
            return self.result
        try:
            return Result.load(self.folder.result())
        except (OSError, ValueError):  # missing, damaged, or of another version
            return None

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
            remedy = f"yet; make it with `{folder.evaluate_command(split, tta)}`"
            similar = nearest(split, _evaluated(folder))
            if (splits := _splits(folder)) and split not in splits:
                remedy = f"and its data has no split {split!r}{nearest(split, [*splits, *_evaluated(folder)])}"
            elif "did you mean" in similar:
                remedy = f"yet{similar}"
            raise ValueError(f"{path} has no {result.name} {remedy}")
        settings = read_yaml(folder.experiment)
        if not isinstance(settings, dict):
            raise ValueError(f"{folder.experiment} is damaged: it must be a mapping of settings")
        loaded = Result.load(result)
        try:
            check_plots(loaded.plots)
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

        Raises ``ValueError`` that names the file if it is damaged.
        """
        split_and_tta = self.result.split, self.result.tta
        command, max_bytes = self.folder.evaluate_command(*split_and_tta), self._max_sample_bytes()
        check = partial(check_samples, tasks=self.result.tasks)
        return read_samples(self.folder.samples(*split_and_tta), command, max_bytes, check)

    def _max_sample_bytes(self) -> int:
        """Return an upper bound on the bytes of this result's sample images, with all arrays of every task."""
        height, width = self.result.size
        return min(_MAX_SAMPLES * height * width * (8 + 64 * len(self.result.tasks)) + (1 << 20), MOST_BYTES)


def _evaluated(folder: RunFolder) -> list[str]:
    """Return the names of the results of a run other than that of val, such as ``rooms-val-height32``."""
    return [path.stem.removeprefix("result-") for path in folder.results()[1:]]


def _splits(folder: RunFolder) -> list[str]:
    """Return the splits of the data that a run was trained on; empty if they are unknown."""
    try:
        return [str(split) for split in read_json(folder.data)]
    except (OSError, ValueError, TypeError):
        return []


def read_curves(folder: RunFolder) -> dict[str, Curve]:
    """Return the columns of ``metrics.csv`` over epochs, without cells that are not finite numbers."""
    curves: dict[str, Curve] = {}
    for position, row in enumerate(folder.metric_rows()):
        values = {column: value for column, cell in row.items() if (value := _finite(cell)) is not None}
        epoch = values.get("epoch", position)
        for column, value in values.items():
            curves.setdefault(column, []).append((epoch, value))
    return curves


def _finite(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def headline(setting: Any) -> str:
    """Return a short text for a setting: its value, or its type with the encoder or store that it names."""
    if not isinstance(setting, dict):
        return setting_text(setting)
    if "type" not in setting:
        return next((setting_text(value) for value in setting.values() if not isinstance(value, dict | list)), "")
    path = setting.get("path")
    words = [setting["type"], setting.get("encoder"), Path(path).name if isinstance(path, str) else None]
    return ", ".join(word for word in words if isinstance(word, str))
