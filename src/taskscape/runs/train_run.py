"""Train an experiment into a folder."""

import logging
import shlex
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import Progress

from taskscape import logs
from taskscape.data import Store
from taskscape.data.check import quick, require_labels, require_measurable
from taskscape.distributed import launch, world_size
from taskscape.evaluation import find_tta
from taskscape.files import atomic_write
from taskscape.models import Network
from taskscape.models.layers.encoder import Encoder
from taskscape.progress import progress_bar, reporter
from taskscape.run_folder import Result, RunFolder, locked
from taskscape.runs.account import progress_of
from taskscape.runs.build_step import build_step
from taskscape.runs.calibration import calibrated
from taskscape.runs.cost import environment
from taskscape.runs.evaluate_run import evaluate_model, tta_record_of
from taskscape.runs.experiment import Experiment
from taskscape.runs.fastest import way_of, with_fastest_way, with_way
from taskscape.runs.known_data import remember, require_same
from taskscape.runs.precision import verify_precision
from taskscape.runs.same_settings import changes, different_settings, require_same_settings, trained_settings
from taskscape.runs.start import Start
from taskscape.runs.trained_model import load, read_experiment
from taskscape.serialization import dump, keep_code, unstructure
from taskscape.serialization.arguments import checked
from taskscape.serialization.flat import flatten
from taskscape.state_dicts import read_safetensors
from taskscape.trackers import Tracking
from taskscape.training import checkpoint
from taskscape.training.average import WeightAverage
from taskscape.training.features import FeatureCache, require_constant
from taskscape.training.freed_memory import freed_memory_kept
from taskscape.training.loop import Trainer
from taskscape.training.pace import Pace
from taskscape.training.peers import loss_of_a_process_named

if TYPE_CHECKING:
    from taskscape.distributed import Processes

_LOGGER = logging.getLogger(__name__)


@checked
def train(experiment: Experiment, run: str | Path, *, resume: bool = False, quiet: bool = False) -> Result:
    """Train an experiment into the folder ``run``, evaluate it there, and return the result.

    With ``resume``, continue from the folder's checkpoint if it has one, and return the result if the run is finished;
    with ``quiet``, print nothing. Raises ``ValueError``, before any training, for settings that do not fit each other
    or the data, if the folder's run is finished and was trained with other settings or data, and if another process
    writes to the folder; ``TrainingError`` and ``Interrupted`` as ``Trainer.run`` does.
    """
    folder = RunFolder(Path(run))
    if resume and is_finished(folder, experiment):  # even if it could not be trained here, for lack of weights or data
        require_same_settings(folder, experiment)
        return Result.load(folder.result())
    experiment.check()
    start = None if resume and folder.checkpoint.exists() else Start.of(experiment)
    fabric = launch(experiment.device)
    if not resume and fabric.is_global_zero and folder.has_progress:
        raise ValueError(
            f"{folder.path} holds a run, which is never overwritten: continue it with resume=True "
            f"({folder.resume_command}), name another folder, or delete it"
        )
    resume = resume and folder.checkpoint.exists()
    remedy = f"continue with {folder.resume_command}, started as this was"
    with (
        locked(folder) if fabric.is_global_zero else nullcontext(),
        logs.written_to_file() as keep_log_in,
        loss_of_a_process_named(remedy),
        freed_memory_kept(fabric.device),
    ):
        return _train(experiment, fabric, folder, start, keep_log_in, resume=resume, quiet=quiet)


def _train(
    experiment: Experiment,
    fabric: "Processes",
    folder: RunFolder,
    start: Start | None,
    keep_log_in: Callable[[Path], None],
    *,
    resume: bool,
    quiet: bool,
) -> Result:
    log_environment(fabric, resume=resume)
    stores = open_data(experiment, fabric, quiet=quiet)
    with progress_bar(fabric.is_global_zero and not quiet) as progress, logs.shown_on(progress.console):
        trainer = begin(experiment, stores, fabric, folder, start, keep_log_in, progress, resume=resume, quiet=quiet)
        trainer.run(progress)
    return finish(folder, stores, fabric)


def log_environment(fabric: "Processes", *, resume: bool) -> None:
    """Log the versions, hardware and command of a run."""
    facts = environment(fabric.device) | {"command": shlex.join(sys.argv)}
    _LOGGER.debug("%s: %s", "resumed" if resume else "started", ", ".join(f"{k} {v}" for k, v in facts.items()))


def _with_data_settings(
    experiment: Experiment, stores: Mapping[str, Store], fabric: "Processes", folder: RunFolder, *, resume: bool
) -> tuple[Experiment, list[str]]:
    """Return an experiment with settings that depend on the data and the machine filled in, and remarks on them.

    Raises ``ValueError`` if the data lack images or labels that it needs.
    """
    if missing := [split for split in ("train", "val") if split not in stores]:
        splits = " and ".join(missing)
        raise ValueError(f"the data have no images in {splits}: a run trains on train and validates on val")
    sources = {name: task.source_for(name) for name, task in experiment.tasks.items()}
    require_labels(stores["train"], set(sources.values()))
    monitored = (experiment.monitor or "").partition("/")[0]
    require_measurable(stores["val"], [sources[monitored]] if monitored in sources else list(sources.values()))
    notes = [experiment.note or ""]
    experiment = experiment.for_data(stores["train"], notes.append)
    if experiment.precision == "auto" and resume:
        experiment = with_way(experiment, way_of(read_experiment(folder.path)))
    if experiment.precision == "auto":
        trial = next(experiment.loader(stores["train"], fabric.device, training=True).epoch(0))
        experiment = with_fastest_way(experiment, trial, fabric.device, notes.append)
    return experiment, notes


def begin(
    experiment: Experiment,
    stores: Mapping[str, Store],
    fabric: "Processes",
    folder: RunFolder,
    start: Start | None,
    keep_log_in: Callable[[Path], None],
    progress: Progress,
    *,
    resume: bool,
    quiet: bool,
) -> Trainer:
    """Build a run and prepare it up to its first step.

    Loads weights or a checkpoint, writes the settings and checks the precision.
    """
    experiment, notes = _with_data_settings(experiment, stores, fabric, folder, resume=resume)
    trainer = assemble(experiment, stores, fabric, folder)
    if fabric.is_global_zero and not quiet:
        fields = {task.source_for(name) for name, task in experiment.tasks.items()}
        for warning in quick(stores, fields):
            _LOGGER.warning("%s", warning)
    notes += dict.fromkeys(module.note for module in trainer.network.modules() if isinstance(module, Encoder))
    if start is not None:
        notes += start.fill(trainer.network, experiment)
        experiment = replace(experiment, start_checksum=start.checksum)
    for note in filter(None, notes):
        _LOGGER.info("%s", note)
    experiment = _restore(trainer, experiment, stores, folder) if resume else replace(experiment, continued=None)
    if fabric.is_global_zero:
        folder.path.mkdir(parents=True, exist_ok=True)
        atomic_write(folder.experiment, dump(experiment))
        keep_code(experiment, folder.path)
        remember(folder, stores)
        keep_log_in(folder.log)
    verify_precision(trainer, experiment, folder, progress, resume=resume)
    return trainer


def _restore(trainer: Trainer, experiment: Experiment, stores: Mapping[str, Store], folder: RunFolder) -> Experiment:
    """Load the checkpoint of a run, and return the experiment with the record of how the run was started and continued.

    Raises ``ValueError`` if the data or the batch size are not those of the run.
    """
    require_same(folder, stores)
    saved, state = read_experiment(folder.path), checkpoint.load(folder.checkpoint)
    previous = state.get("settings", trained_settings(saved))
    if (saved_size := previous.get("batch_size")) != str(experiment.batch_size):
        raise ValueError(
            f"batch_size is {experiment.batch_size}, and {folder.path} was trained with {saved_size}: a run counts its "
            f"epochs by batches, so resume it with {saved_size}, or start another one from it"
        )
    for warning in trainer.load_state(state):
        _LOGGER.warning("%s", warning)
    continued = _continued(trainer, previous, saved.continued)
    _forget_lost_best(trainer, folder)
    return replace(experiment, start_from=saved.start_from, start_checksum=saved.start_checksum, continued=continued)


def _continued(trainer: Trainer, previous: Mapping[str, str], earlier: str | None) -> str | None:
    """Return how a run was continued with other settings than the ``previous`` ones, after ``earlier`` such changes.

    If another metric is monitored, the best epoch is chosen anew.
    """
    changed = changes(previous, trainer.settings)
    sentence = f"after step {trainer.step} with {changed}"
    if not changed or sentence in (earlier or ""):
        return earlier
    _LOGGER.warning("continued with other settings: %s", changed)
    if previous.get("monitor") != trainer.settings.get("monitor"):
        trainer.best.value, trainer.best.epochs_since = None, 0
    return "; ".join(filter(None, (earlier, sentence)))


def _forget_lost_best(trainer: Trainer, folder: RunFolder) -> None:
    """Forget the best epoch if its weights are missing or damaged, so that the next best one replaces them."""
    if trainer.best.value is None:
        return
    try:
        read_safetensors(folder.weights, own=True)
    except (OSError, ValueError) as error:
        reason = str(error) if folder.weights.is_file() else f"{folder.weights} is gone"
        _LOGGER.warning("%s; the best epoch from now on takes its place", reason)
        trainer.best.value = None


def finish(folder: RunFolder, stores: Mapping[str, Store], fabric: "Processes") -> Result:
    """Evaluate the best weights of a run after training, and return the result."""
    model = load(folder.path, str(fabric.device))
    experiment = model.experiment
    spreads = calibrated(model.forward, model.device, experiment, stores, folder)
    result = evaluate_model(model, stores, folder, split="val", spreads=spreads)
    if experiment.tta is not None:
        evaluate_model(model, stores, folder, split="val", tta=experiment.tta, spreads=spreads)
    if fabric.is_global_zero and not experiment.keep_checkpoint:
        folder.checkpoint.unlink(missing_ok=True)  # last, so that a run killed before this can be resumed
    return result


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


def assemble(experiment: Experiment, stores: Mapping[str, Store], fabric: "Processes", folder: RunFolder) -> Trainer:
    """Build all parts of a run, for an experiment whose settings are complete (``Experiment.for_data``)."""
    if experiment.batch_size < 2 * world_size():
        raise ValueError(
            f"batch_size is {experiment.batch_size} on {world_size()} processes: batch normalization needs at "
            f"least 2 images on each, so make it {2 * world_size()} or more"
        )
    train_data = experiment.loader(stores["train"], fabric.device, training=True)
    unaugmented = experiment.loader(stores["train"], fabric.device, training=False)
    num_measured = round(experiment.train_metrics * len(stores["train"]))
    seconds = None if experiment.minutes is None else 60 * experiment.minutes
    pace = Pace(len(train_data), experiment.epochs, seconds, fabric.device)
    training_step = build_step(
        experiment,
        fabric.device,
        learning_rate=lambda step: experiment.schedule.factor(pace.epoch(step), experiment.epochs),
        fabric=fabric,
    )
    val_data = experiment.loader(stores["val"], fabric.device, training=False)
    features = _feature_cache(experiment, training_step.network, stores)
    if features is not None:
        train_data.on_batch = unaugmented.on_batch = partial(features.give, "train")
        val_data.on_batch = partial(features.give, "val")
    return Trainer(
        training_step,
        train_data,
        val_data,
        fabric,
        folder,
        epochs=experiment.epochs,
        pace=pace,
        validate_every=experiment.validate_every,
        monitor=experiment.monitor,
        patience=experiment.patience,
        track=partial(_tracking, experiment, folder) if experiment.trackers else None,
        train_metrics=partial(unaugmented.spread, num_measured) if num_measured else None,
        features=features,
        average=WeightAverage(training_step.network, experiment.ema) if experiment.ema else None,
        checkpoint_minutes=experiment.checkpoint_minutes,
        settings=trained_settings(experiment),
    )


def _feature_cache(experiment: Experiment, network: Network, stores: Mapping[str, Store]) -> FeatureCache | None:
    if not experiment.feature_cache:
        return None
    return FeatureCache(
        require_constant(network, experiment.augmentation, compiled=experiment.compile),
        experiment.build_without_numbers(),
        {split: stores[split] for split in ("train", "val")},
        mirrored=experiment.augmentation.flip,
        gigabytes=experiment.feature_cache,
    )


def _tracking(experiment: Experiment, folder: RunFolder) -> Tracking:
    return Tracking(experiment.trackers, folder, flatten(unstructure(experiment)))


def open_data(experiment: Experiment, fabric: "Processes", *, quiet: bool = False) -> dict[str, Store]:
    """Open the data; if they must be prepared, the first process does so while the others wait."""
    with fabric.rank_zero_first(), progress_bar(fabric.is_global_zero and not quiet) as progress:
        return experiment.data.open(reporter(progress, "preparing data"))
