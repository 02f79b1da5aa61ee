"""Progress with rate and remaining time, on standard error so that standard output can be piped."""

import math
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import rich.progress
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text
from typing_extensions import override

from taskscape.logs import is_quiet

ProgressCallback = Callable[[int, int], None]
"""Called with the number of items done and the total number, 0 if that is unknown."""

SECONDS_PER_LINE = 10.0
"""Seconds between two lines of progress if standard error is a file or a pipe, where a bar cannot be shown."""


class _Rate(ProgressColumn):
    """Steps or images per second."""

    def render(self, task: rich.progress.Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f}/s", style="progress.data.speed")


class _Count(ProgressColumn):
    """Number of items done, and the total number if known."""

    def render(self, task: rich.progress.Task) -> Text:
        done = f"{task.completed:.0f}"
        return Text(done if task.total is None else f"{done}/{task.total:.0f}")


class _Progress(Progress):
    """Progress whose rate and remaining time survive a new total, as of a run that ends with its time."""

    @override
    def update(self, task_id: TaskID, *, total: float | None = None, **changes: Any) -> None:
        if total is not None:
            self.task(task_id).total = total  # rich would discard the steps that it measured the rate with
        super().update(task_id, **changes)

    def task(self, task_id: TaskID) -> rich.progress.Task:
        """Return the task with this id."""
        return next(task for task in self.tasks if task.id == task_id)


class _Lines(_Progress):
    """Progress as occasional lines instead of a bar; work that ends before its first line is due prints none."""

    def __init__(self, *columns: ProgressColumn, **options: Any) -> None:
        super().__init__(*columns, disable=True, **options)
        self._last_printed: dict[TaskID, float] = {}
        """Time of each task's last line, by the display's clock."""

    @override
    def update(self, task_id: TaskID, **changes: Any) -> None:
        super().update(task_id, **changes)
        task = self.task(task_id)
        now = self.get_time()
        previous = self._last_printed.get(task_id, now if task.start_time is None else task.start_time)
        is_last = task.finished and task_id in self._last_printed
        if now - previous < SECONDS_PER_LINE and not is_last:
            return
        self._last_printed[task_id] = math.inf if task.finished else now
        columns = [column for column in self.columns if isinstance(column, ProgressColumn)]
        parts = [part for column in columns if isinstance(part := column(task), Text) and part]
        self.console.print(Text("  ").join(parts), highlight=False)


def progress_bar(shown: bool = True) -> Progress:
    """Return a progress display with rate and remaining time, for use in a ``with`` statement.

    It is a bar in a terminal, and in a notebook with ipywidgets; elsewhere it prints a line every ten seconds. Unless
    ``shown``, its console prints nothing at all; with ``--quiet`` only warnings are printed.
    """
    console = Console(stderr=True, quiet=not shown, markup=False)  # names chosen by users may contain brackets
    description, count = TextColumn("{task.description}", markup=False), _Count()
    remaining = TimeRemainingColumn(elapsed_when_finished=True)
    has_bars = find_spec("ipywidgets") is not None if console.is_jupyter else console.is_terminal
    if shown and not is_quiet() and not has_bars:
        return _Lines(description, count, _Rate(), remaining, console=console, speed_estimate_period=20)
    columns = (description, BarColumn(), count, _Rate(), remaining)
    return _Progress(*columns, console=console, disable=not shown or is_quiet(), speed_estimate_period=20)


def reporter(progress: Progress, what: str) -> ProgressCallback:
    """Return a callback whose first call adds a bar, which later calls update."""
    bars: list[TaskID] = []

    def report(done: int, total: int) -> None:
        if not bars:
            bars.append(progress.add_task(what, total=total or None))
        progress.update(bars[0], completed=done, total=total or None)

    return report
