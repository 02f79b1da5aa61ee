"""Yardsticks for the metrics of a run: image-blind baselines, single-task networks and other results of the run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from taskscape.report.protocol import same_protocol, similarity, single_task
from taskscape.report.run import Run
from taskscape.run_folder.names import RunFolder
from taskscape.run_folder.result import Result


@dataclass(frozen=True)
class Yardstick:
    """Metrics to compare a run's metrics with."""

    title: str
    """The column header."""
    text: str
    """A sentence that explains the yardstick."""
    metrics: Mapping[str, float]


def yardsticks(run: Run) -> list[Yardstick]:
    """Return the yardsticks of a run, the strictest first."""
    single_runs = single_task_runs(run)
    references = []
    if run.result.last_epochs is not None:
        text = f"Mean of the {run.last_words}; this run's metrics are those of its best epoch by validation."
        references.append(Yardstick(f"mean of the {run.last_words}", text, run.result.last_epochs.metrics))
    if (plain := without_tta(run.folder.path, run.result)) is not None:
        text = "Without test-time augmentation"
        if all(result.cost.get("latency") for result in (plain, run.result)):
            text += f", which takes {run.result.cost['latency'] / plain.cost['latency']:.1f} times as long per image"
        references.append(Yardstick("without test-time augmentation", f"{text}.", plain.metrics))
    if single_runs:
        task_metrics = {
            name: value
            for task, single in single_runs.items()
            for name, value in single.result.metrics.items()
            if name.startswith(f"{task}/")
        }
        names = ", ".join(single.name for single in single_runs.values())
        references.append(
            Yardstick("one network per task", f"One network per task: {names}, same protocol.", task_metrics)
        )
    for title, metrics in run.result.baselines.items():
        text = {
            "by position": "Without the image, by position: predicts what is typical at each pixel's position.",
            "constant": "Without the image, constant: predicts what is typical of all training images.",
        }.get(title, f"{title}.")
        references.append(Yardstick(f"without the image, {title}", text, metrics))
    return sorted(references, key=lambda yardstick: yardstick.title.endswith("constant"))


def without_tta(run: Path, result: Result) -> Result | None:
    """Return a run's result without test-time augmentation on the same images and after the same training, if any."""
    path = RunFolder(run).result(result.split)
    if not result.tta or not path.is_file():
        return None
    try:
        plain = Result.load(path)
    except ValueError:  # damaged, or of another version
        return None
    return plain if (plain.data, plain.progress) == (result.data, result.progress) else None


def single_task_runs(run: Run) -> dict[str, Run]:
    """Return the single-task run of the same protocol for each task, from the folders beside a run's.

    If there are several, it is the one with the most similar network, and among these one with the same seed.
    """
    if len(run.result.tasks) < 2:
        return {}
    candidates: dict[str, list[Run]] = {}
    for path in sorted(run.folder.path.resolve().parent.iterdir()):
        result = RunFolder(path).result(run.result.split, run.result.tta)
        if path.name == run.name or not result.is_file():
            continue
        try:
            if len(Result.load(result).tasks) > 1:  # takes a fraction of the time of the whole run
                continue
            candidate = Run.load(path, run.result.split, run.result.tta)
        except (ValueError, FileNotFoundError):  # damaged, of another version, or not a run: its own report says so
            continue
        task = single_task(candidate)
        if task is not None and same_protocol(run, candidate):
            candidates.setdefault(task, []).append(candidate)

    def preference(single: Run) -> tuple[tuple[bool, int], bool]:
        return similarity(run, single), single.settings.get("seed") == run.settings.get("seed")

    return {task: max(candidates[task], key=preference) for task in run.result.tasks if task in candidates}
