"""Progress with rate and remaining time, on standard error so that output can be piped."""

from collections.abc import Callable

import rich.progress
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

ProgressCallback = Callable[[int, int], None]
"""Called with how many are done, and of how many."""


class _Rate(ProgressColumn):
    """Steps or images per second."""

    def render(self, task: rich.progress.Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f}/s", style="progress.data.speed")


def progress_bar(shown: bool = True) -> Progress:
    """Return a progress display with rate and remaining time, for use in a ``with`` statement.

    Unless ``shown`` its console is silent too.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"), _Rate())
    remaining = TimeRemainingColumn(elapsed_when_finished=True)
    console = Console(stderr=True, quiet=not shown, markup=False)  # names of users may have brackets
    return Progress(*columns, remaining, console=console, disable=not shown, speed_estimate_period=20)


def reporter(progress: Progress, what: str) -> ProgressCallback:
    """Return a callback that shows a bar from the first call on."""
    bars: list[TaskID] = []

    def report(done: int, total: int) -> None:
        if not bars:
            bars.append(progress.add_task(what))
        progress.update(bars[0], completed=done, total=total)

    return report
