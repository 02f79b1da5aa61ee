"""Train an experiment into a folder."""

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from taskscape import logs
from taskscape.data import Store
from taskscape.distributed import launch
from taskscape.evaluation import find_tta
from taskscape.progress import progress_bar, reporter
from taskscape.run_folder import Result, RunFolder, locked
from taskscape.runs.account import progress_of
from taskscape.runs.calibration import calibrated
from taskscape.runs.evaluate_run import evaluate_model, tta_record_of
from taskscape.runs.experiment import Experiment
from taskscape.runs.same_settings import different_settings, require_same_settings
from taskscape.runs.start import Start
from taskscape.runs.trained_model import load, read_experiment
from taskscape.runs.training_run import TrainingRun
from taskscape.serialization.arguments import checked
from taskscape.training.freed_memory import freed_memory_kept
from taskscape.training.peers import loss_of_a_process_named

if TYPE_CHECKING:
    from taskscape.distributed import Processes


@checked
def train(experiment: Experiment, run: str | Path, *, resume: bool = False, quiet: bool = False) -> Result:
    """Train an experiment into the folder ``run``, evaluate it there, and return the result.

    With ``resume``, continue from the folder's checkpoint if it has one, and return the result if the run is finished;
    with ``quiet``, print nothing. Raises ``ValueError``, before any training, for settings that do not fit each other
    or the data, if the folder's run is finished and was trained with other settings or data, and if another process
    writes to the folder; ``TrainingError`` and ``Interrupted`` as ``Trainer.run`` does.
    """
    folder = RunFolder(Path(run))
    if resume and (result := finished_result(folder, experiment)) is not None:
        return result  # even if it could not be trained here, for lack of weights or data
    experiment.check()
    start = None if resume and folder.checkpoint.exists() else Start.of(experiment)
    fabric = launch(experiment.device)
    if not resume and fabric.is_global_zero and folder.has_progress:
        raise ValueError(
            f"{folder.path} holds a run, which is never overwritten: continue it with resume=True "
            f"({folder.resume_command}), name another folder, or delete it"
        )
    resume = resume and folder.checkpoint.exists()
    training_run = TrainingRun(experiment, folder, fabric, start, resume=resume, quiet=quiet)
    remedy = f"continue with {folder.resume_command}, started as this was"
    with (
        locked(folder) if fabric.is_global_zero else nullcontext(),
        logs.written_to_file() as keep_log_in,
        loss_of_a_process_named(remedy),
        freed_memory_kept(fabric.device),
    ):
        stores = open_data(experiment, fabric, quiet=quiet)
        with progress_bar(fabric.is_global_zero and not quiet) as progress, logs.shown_on(progress.console):
            training_run.begin(stores, progress, keep_log_in).run(progress)
        return finish(folder, stores, fabric)


def finish(folder: RunFolder, stores: Mapping[str, Store], fabric: "Processes") -> Result:
    """Evaluate the best weights of a run after training, and return the result."""
    model = load(folder.path, str(fabric.device))
    experiment = model.experiment
    spreads = calibrated(model.forward, model.device, experiment, stores, folder)
    result = evaluate_model(model, stores, folder, split="val", spreads=spreads)
    if experiment.tta is not None:
        evaluate_model(model, stores, folder, split="val", tta=find_tta(experiment.tta), spreads=spreads)
    if fabric.is_global_zero and not experiment.keep_checkpoint:
        folder.checkpoint.unlink(missing_ok=True)  # last, so that a run killed before this can be resumed
    return result


def finished_result(folder: RunFolder, experiment: Experiment) -> Result | None:
    """Return the result of a finished run, or None if something is left to train or to evaluate.

    Raises ``ValueError`` if it was trained with other settings or data than those of the experiment.
    """
    if not is_finished(folder, experiment):
        return None
    require_same_settings(folder, experiment)
    return Result.load(folder.result())


def is_finished(folder: RunFolder, experiment: Experiment) -> bool:
    """Return whether the run of an experiment is finished: nothing is left to train or to evaluate.

    A run that keeps its checkpoint can be continued with other settings, so it is finished only with its own settings.
    """
    if not (folder.result().is_file() and folder.weights.is_file()):
        return False
    if not folder.checkpoint.exists():
        return True
    evaluated = {False, tta_record_of(find_tta(experiment.tta))}
    try:
        progress = progress_of(folder, experiment)
        return (
            experiment.keep_checkpoint
            and not different_settings(read_experiment(folder.path), experiment)
            and progress.finished
            and all(Result.load(folder.result(tta=tta)).progress == progress for tta in evaluated)
        )
    except (OSError, ValueError):
        return False  # missing or damaged files are written again


def open_data(experiment: Experiment, fabric: "Processes", *, quiet: bool = False) -> dict[str, Store]:
    """Open the data; if they must be prepared, the first process does so while the others wait."""
    with fabric.rank_zero_first(), progress_bar(fabric.is_global_zero and not quiet) as progress:
        return experiment.data.open(reporter(progress, "preparing data"))
