"""What the metrics of a run are measured by: predictors that ignore the image, and networks of one task."""

from collections.abc import Mapping
from dataclasses import dataclass

from taskscape.report.protocol import same_protocol, single_task
from taskscape.report.run import Run
from taskscape.run_folder.names import RunFolder

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
        except ValueError:  # damaged, or of another version: its own report says so
            continue
        task = single_task(other)
        if task is not None and same_protocol(run, other):
            is_better = other.settings.get("seed") == run.settings.get("seed")
            if task not in found or is_better:
                found[task] = other
    return {task: found[task] for task in run.result.tasks if task in found}
