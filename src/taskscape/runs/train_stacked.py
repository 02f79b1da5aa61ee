"""Train several experiments at once, as a stack, each into its own folder."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from rich.progress import Progress

from taskscape import logs
from taskscape.data import Store
from taskscape.distributed import launch, world_size
from taskscape.errors import TrainingError
from taskscape.progress import progress_bar
from taskscape.run_folder import Result, RunFolder, locked
from taskscape.runs.experiment import Experiment
from taskscape.runs.stackable import require_stack
from taskscape.runs.start import Start
from taskscape.runs.train_run import finish, finished_result, open_data
from taskscape.runs.training_run import TrainingRun
from taskscape.serialization.arguments import checked
from taskscape.training.freed_memory import freed_memory_kept
from taskscape.training.loop import Trainer
from taskscape.training.together import logged, train_together

if TYPE_CHECKING:
    from taskscape.distributed import Processes

_LOGGER = logging.getLogger(__name__)

T = TypeVar("T")

Outcome = Result | TrainingError | ValueError | OSError
"""The outcome of a run: its result, or the error that prevented it."""


@checked
def train_stacked(
    experiments: Sequence[Experiment], runs: Sequence[str | Path], *, quiet: bool = False
) -> list[Outcome]:
    """Start or resume runs of experiments in these folders, train them at once, and return the outcome of each.

    Up to rounding, each run is the same as when it is trained alone (``training.stack``), and its folder has the same
    files; only the seconds there are those of all runs together. A run that fails or ends early leaves the others.
    Finished runs are not trained again.

    Raises ``ValueError`` unless there is one folder for each experiment, as ``require_stack`` does, and for several
    processes; ``Interrupted`` if Ctrl-C or SIGTERM stopped the runs, whose checkpoints have been written then.
    """
    if not experiments or len(experiments) != len(runs):
        raise ValueError(f"there are {len(experiments)} experiments and {len(runs)} folders: name one folder for each")
    require_stack(experiments)
    folders = [RunFolder(Path(run)) for run in runs]
    fabric = launch(experiments[0].device)
    if world_size() > 1:
        raise ValueError("a stack of runs is trained by one process: start it without torchrun")
    with (
        ExitStack() as stack,
        progress_bar(not quiet) as progress,
        logs.shown_on(progress.console),
        freed_memory_kept(fabric.device),
    ):
        stores = open_data(experiments[0], fabric, quiet=quiet)
        begun = [
            _attempt(partial(_begin, experiment, folder, stores, fabric, stack, progress, quiet=quiet), folder)
            for experiment, folder in zip(experiments, folders, strict=True)
        ]
        outcomes = {number: outcome for number, outcome in enumerate(begun) if not isinstance(outcome, Trainer)}
        trainers = {number: trainer for number, trainer in enumerate(begun) if isinstance(trainer, Trainer)}
        del begun  # it would keep the trainers of runs that have ended
        for number, ending in train_together(trainers, progress).items():
            if isinstance(ending, Exception):
                outcomes[number] = ending
            else:
                outcomes[number] = _attempt(partial(finish, folders[number], stores, fabric), folders[number])
    return [outcomes[number] for number in range(len(experiments))]


def _begin(
    experiment: Experiment,
    folder: RunFolder,
    stores: Mapping[str, Store],
    fabric: "Processes",
    stack: ExitStack,
    progress: Progress,
    *,
    quiet: bool,
) -> Trainer | Result:
    """Prepare a run up to its first step, or return the result of a finished run.

    The ``stack`` holds the run's lock and keeps its log.
    """
    if (result := finished_result(folder, experiment)) is not None:
        return result
    experiment.check()
    stack.enter_context(locked(folder))
    keep_log_in = stack.enter_context(logs.written_to_file(folder.log))
    resume = folder.checkpoint.exists()
    start = None if resume else Start.of(experiment)
    training_run = TrainingRun(experiment, folder, fabric, start, resume=resume, quiet=quiet)
    trainer = training_run.begin(stores, progress, keep_log_in)
    _LOGGER.info("this run is trained in a stack, together with others; its seconds are those of all of them")
    return trainer


def _attempt(work: Callable[[], T], folder: RunFolder) -> T | TrainingError | ValueError | OSError:
    """Return the result of work on a run, or the error that ends only this run."""
    with logs.only_to(folder.log):
        try:
            return work()
        except (TrainingError, ValueError, OSError) as error:
            return logged(error)
