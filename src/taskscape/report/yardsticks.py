"""What the metrics of a run are measured by: predictors that ignore the image, and networks of one task."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from taskscape.report.protocol import same_protocol, single_task
from taskscape.report.run import Run
from taskscape.run_folder.names import RunFolder
from taskscape.run_folder.result import Result

MOST_NEIGHBORS = 200
"""How many folders beside a run are searched for its single-task runs."""


@dataclass(frozen=True)
class Yardstick:
    """Metrics to compare a run's with."""

    title: str
    """For the head of a column."""
    text: str
    """What it is, in a sentence."""
    metrics: Mapping[str, float]


def yardsticks(run: Run) -> list[Yardstick]:
    """Return the yardsticks of a run, the strictest first."""
    alone = single_task_runs(run)
    found = []
    if run.result.last_epochs is not None:
        last = run.result.last_epochs
        text = f"The mean of the last {last.epochs} epochs, where this run's are those of its best epoch by validation."
        found.append(Yardstick(f"mean of the last {last.epochs} epochs", text, last.metrics))
    if (plain := without_tta(run.folder.path, run.result)) is not None:
        text = "Without test-time augmentation"
        if all(result.cost.get("latency") for result in (plain, run.result)):
            text += f", which takes {run.result.cost['latency'] / plain.cost['latency']:.1f} times as long per image"
        found.append(Yardstick("without test-time augmentation", f"{text}.", plain.metrics))
    if alone:
        of_tasks = {
            name: value
            for task, single in alone.items()
            for name, value in single.result.metrics.items()
            if name.startswith(f"{task}/")
        }
        names = ", ".join(single.name for single in alone.values())
        found.append(Yardstick("one network per task", f"One network per task: {names}, trained alike.", of_tasks))
    for title, metrics in run.result.baselines.items():
        text = {
            "by position": "Without the image, by position: what is typical at each place of the image.",
            "constant": "Without the image, constant: what is typical of all training images.",
        }.get(title, f"{title}.")
        found.append(Yardstick(f"without the image, {title}", text, metrics))
    return sorted(found, key=lambda yardstick: yardstick.title.endswith("constant"))


def without_tta(run: Path, result: Result) -> Result | None:
    """Return a run's result on the same images without test-time augmentation, where it has one."""
    path = RunFolder(run).result(result.split)
    if not result.tta or not path.is_file():
        return None
    try:
        plain = Result.load(path)
    except ValueError:  # damaged, or of another version
        return None
    return plain if plain.data == result.data else None


def single_task_runs(run: Run) -> dict[str, Run]:
    """Return by task the single-task runs of the same protocol in the folders beside a run's; the same seed first."""
    if len(run.result.tasks) < 2:
        return {}
    found: dict[str, Run] = {}
    for path in sorted(run.folder.path.resolve().parent.iterdir())[:MOST_NEIGHBORS]:
        if not RunFolder(path).result(run.result.split, run.result.tta).is_file() or path.name == run.name:
            continue
        try:
            other = Run.load(path, run.result.split, run.result.tta)
        except (ValueError, FileNotFoundError):  # damaged, of another version, or no run: its own report says so
            continue
        task = single_task(other)
        if task is not None and same_protocol(run, other):
            is_better = other.settings.get("seed") == run.settings.get("seed")
            if task not in found or is_better:
                found[task] = other
    return {task: found[task] for task in run.result.tasks if task in found}
