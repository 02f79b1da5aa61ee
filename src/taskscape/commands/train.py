"""``taskscape train``."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from taskscape.commands.call import HELP, call
from taskscape.commands.experiment import named_by_flag, parse, scaled
from taskscape.commands.layout import filled, usage
from taskscape.commands.recipes import by_group, described_recipe, print_group, read_recipe
from taskscape.commands.required_views import require_views
from taskscape.commands.shared import if_interrupted, require_run
from taskscape.commands.topics import asks_for_help, help_of
from taskscape.imports import quick_imports

if TYPE_CHECKING:
    from taskscape.run_folder.result import Result
    from taskscape.runs import Experiment

_USAGE = ("taskscape train RECIPE [--SETTING VALUE ...] [CHOICE:NAME ...] [--out RUN]", "taskscape train --resume RUN")

_TEXT = """\
Train a recipe in the run folder RUN, evaluate the network and write a report; or resume a run with its own settings.

RECIPE is one of the names below, the name of a network (the recipe joint with that network; taskscape models lists
them), a function in a file of yours (my.py:function), or a saved experiment (RUN/experiment.yaml):"""


def main(arguments: Sequence[str]) -> None:
    first = arguments[0] if arguments else "-"
    if not first.startswith("-"):
        start(first, arguments[1:])
    elif first in HELP:
        print("\n".join([*usage(*_USAGE), "", filled(_TEXT), ""]))
        print_group("", by_group()[""])
        print("\nor a published experiment (taskscape recipes lists all of them):")
        print(filled(", ".join(f"{group}/..." for group in by_group() if group)))
        print("\nRun taskscape train RECIPE --help for the settings of a recipe.")
        raise SystemExit(0)
    elif first.partition("=")[0] == "--resume":
        call(resume, arguments, "train")
    else:
        raise ValueError(
            "what to train comes first: a name of taskscape recipes, my.py:function or RUN/experiment.yaml; "
            "--resume RUN alone resumes a run"
        )


def resume(*, resume: Annotated[Path, tyro.conf.arg(metavar="RUN")]) -> None:
    """Resume a run.

    Args:
        resume: The run to resume, with its own settings.
    """
    require_run(resume)
    with quick_imports():
        from taskscape.runs import read_experiment

    _resume(read_experiment(resume), resume)


def start(recipe: str, arguments: Sequence[str]) -> None:
    """Train a recipe with the settings changed by the arguments, or print a page of its help."""
    if asks_for_help(arguments):
        print(help_of(recipe, arguments))
        raise SystemExit(0)
    if (stand_in := described_recipe(recipe)) is not None:
        command_line = parse(recipe, stand_in, arguments)  # find mistakes before torch is imported
        if command_line.out is not None and command_line.resume is None:
            from taskscape.run_folder.fresh import require_fresh

            require_fresh(command_line.out)
    experiment, out, resume = scaled(recipe, read_recipe(recipe), arguments)
    if resume is None:
        from taskscape.run_folder.fresh import fresh_folder, short_name

        require_views(experiment)
        with named_by_flag():
            _train(experiment, fresh_folder(out, short_name(recipe)), resume=False)
        return
    from taskscape.run_folder import RunFolder
    from taskscape.runs import read_experiment
    from taskscape.runs.same_settings import different_settings

    saved = read_experiment(resume)
    if differences := different_settings(saved, experiment):
        raise ValueError(
            f"{resume} was started with other settings ({', '.join(differences)}); "
            f"continue it with its own settings: {RunFolder(resume).resume_command}"
        )
    _resume(saved, resume)


def print_outcome(run: Path, result: "Result") -> None:
    """Write the report, and print the metrics and the paths of run and report."""
    from taskscape.distributed import rank
    from taskscape.report import print_metrics, write_report

    if rank() == 0:
        page = write_report(run)
        print_metrics(result)
        print(f"run: {run}\nreport: {page}")


@contextmanager
def resumable(run: Path) -> Iterator[None]:
    """On Ctrl-C or SIGTERM, end with a message of how to continue the run.

    A run folder that is still empty at the end is removed: it was made before the run itself began.
    """
    from taskscape.files import remove_if_empty
    from taskscape.run_folder.names import RUNS

    try:
        yield
    except KeyboardInterrupt:
        from taskscape.run_folder import RunFolder

        folder = RunFolder(run)
        is_started = folder.experiment.exists()
        message = f"continue with {folder.resume_command}" if is_started else "generated data are kept; start again"
        with if_interrupted(message):
            raise
    finally:
        for new in (run, RUNS) if run.parent == RUNS else (run,):
            remove_if_empty(new)


def _resume(experiment: "Experiment", run: Path) -> None:
    from taskscape import runs
    from taskscape.run_folder import RunFolder

    folder = RunFolder(run)
    if runs.is_finished(folder, experiment):
        print(
            f"{run} is finished; to continue training from its weights: "
            f"{folder.train_on_command} --epochs {experiment.epochs} --out NEW"
        )
    _train(experiment, run, resume=True)


def _train(experiment: "Experiment", run: Path, *, resume: bool) -> None:
    from taskscape import runs

    with resumable(run):
        print_outcome(run, runs.train(experiment, run, resume=resume))
