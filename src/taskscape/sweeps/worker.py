"""Trains the run in a folder. ``python -m taskscape.sweeps.worker RUN THREADS PARENT`` does so in a separate process.

The folder may contain other work instead: a taskscape command, or a list of runs to train at once.
"""

import io
import json
import runpy
import sys
from contextlib import redirect_stderr
from pathlib import Path

from taskscape.errors import Interrupted, TrainingError, message_of
from taskscape.parallel import end_with, use_threads
from taskscape.sweeps.executor import ENDED, STACK

COMMAND = "command.json"
"""File with the arguments of a command, in a folder that has a command instead of a run."""


def work(path: Path, threads: int) -> None:
    """Train the run or the stack of runs in a folder, or run its command. Raises as ``train`` does."""
    use_threads(threads)
    if (path / STACK).is_file():
        train_stack(path)
    elif (path / COMMAND).is_file():
        run_command(path, threads)
    else:
        train(path)


def run_command(path: Path, threads: int) -> None:
    """Run the command in a folder. Raises ``ValueError`` with its last message if it fails."""
    sys.argv = ["taskscape", *json.loads((path / COMMAND).read_text("utf-8")), "--processes", str(threads)]
    messages = io.StringIO()
    try:
        with redirect_stderr(messages):
            runpy.run_module("taskscape", run_name="__main__")
    except SystemExit as end:
        if end.code:
            last_lines = messages.getvalue().strip().splitlines()[-1:] or [f"it ended with {end.code}"]
            raise ValueError(last_lines[0]) from None


def train(path: Path) -> None:
    """Start or resume the run in a folder with its saved settings, evaluate it and write its report.

    Raises as ``taskscape.runs.train`` does.
    """
    from taskscape import runs
    from taskscape.report import write_report

    runs.train(runs.read_experiment(path), path, resume=True, quiet=True)
    write_report(path)


def train_stack(path: Path) -> None:
    """Start or resume the runs that a folder lists, at once, and write the errors of failed runs to it.

    Raises as ``taskscape.runs.train_stacked`` does.
    """
    from taskscape import runs
    from taskscape.files import atomic_write
    from taskscape.report import write_report

    folders = [Path(name) for name in json.loads((path / STACK).read_text("utf-8"))]
    outcomes = runs.train_stacked([runs.read_experiment(folder) for folder in folders], folders, quiet=True)
    failed = {}
    for folder, outcome in zip(folders, outcomes, strict=True):
        if isinstance(outcome, Exception):
            failed[str(folder)] = " ".join(message_of(outcome).split())
        else:
            write_report(folder)
    atomic_write(path / ENDED, json.dumps(failed) + "\n")


def main() -> None:
    """Do the work of one folder; exit when the parent process ends, however it ends."""
    path, threads, parent = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    end_with(parent)
    try:
        work(path, threads)
    except Interrupted as interrupt:
        sys.exit(128 + interrupt.signum)
    except (ValueError, OSError, TrainingError) as error:
        print(" ".join(message_of(error).split()), file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
