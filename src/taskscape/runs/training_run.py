"""A run from its settings to its first step, whether it starts or goes on from a checkpoint."""

import logging
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from rich.progress import Progress

from taskscape.data import Loader, Store
from taskscape.data.check import quick, require_labels, require_measurable
from taskscape.distributed import world_size
from taskscape.files import atomic_write
from taskscape.models.layers.encoder import Encoder
from taskscape.run_folder import RunFolder
from taskscape.runs.build_trainer import assemble
from taskscape.runs.cost import environment
from taskscape.runs.experiment import Experiment
from taskscape.runs.fastest import with_fastest_way
from taskscape.runs.known_data import remember, require_same
from taskscape.runs.precision import verify_precision, with_faster_precision
from taskscape.runs.same_settings import changes, mixing, trained_settings, with_choices_of
from taskscape.runs.start import Start
from taskscape.runs.trained_model import read_experiment
from taskscape.serialization import counted, dump, keep_code
from taskscape.state_dicts import read_safetensors
from taskscape.training import checkpoint
from taskscape.training.loop import Trainer

if TYPE_CHECKING:
    from taskscape.distributed import Processes

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingRun:
    """A run that is to be trained in its folder."""

    experiment: Experiment
    """The settings, without those that depend on the data."""
    folder: RunFolder
    fabric: "Processes"
    start: Start | None
    """The weights that a new run starts from, if any."""
    resume: bool
    """Whether the run goes on from its checkpoint."""
    quiet: bool

    def begin(self, stores: Mapping[str, Store], progress: Progress, keep_log_in: Callable[[Path], None]) -> Trainer:
        """Build the run and prepare it up to its first step.

        Loads weights or the checkpoint, writes the settings and checks the precision. ``keep_log_in`` is called as soon
        as the folder has files.
        """
        facts = environment(self.fabric.device) | {"command": shlex.join(sys.argv)}
        entries = ", ".join(f"{name} {fact}" for name, fact in facts.items())
        _LOGGER.debug("%s: %s", "resumed" if self.resume else "started", entries)
        experiment, notes = self._completed(stores)
        trainer = assemble(experiment, stores, self.fabric, self.folder)
        if self.fabric.is_global_zero and not self.quiet:
            fields = {task.source_for(name) for name, task in experiment.tasks.items()}
            for warning in quick(stores, fields):
                _LOGGER.warning("%s", warning)
        notes += dict.fromkeys(module.note for module in trainer.network.modules() if isinstance(module, Encoder))
        if self.start is not None:
            notes += self.start.fill(trainer.network, experiment)
            experiment = replace(experiment, start_checksum=self.start.checksum)
        for note in filter(None, notes):
            _LOGGER.info("%s", note)
        experiment = self._restored(trainer, experiment, stores) if self.resume else replace(experiment, continued=None)
        if self.fabric.is_global_zero:
            self.folder.path.mkdir(parents=True, exist_ok=True)
            atomic_write(self.folder.experiment, dump(experiment))
            keep_code(experiment, self.folder.path)
            remember(self.folder, stores)
            keep_log_in(self.folder.log)
        verify_precision(trainer, experiment, progress, resume=self.resume)
        return trainer

    def _completed(self, stores: Mapping[str, Store]) -> tuple[Experiment, list[str]]:
        """Return the experiment with settings that depend on the data and the machine filled in, and remarks on them.

        Raises ``ValueError`` if the data lack images or labels that it needs.
        """
        experiment, device = self.experiment, self.fabric.device
        if missing := [split for split in ("train", "val") if split not in stores]:
            splits = " and ".join(missing)
            raise ValueError(f"the data have no images in {splits}: a run trains on train and validates on val")
        sources = {name: task.source_for(name) for name, task in experiment.tasks.items()}
        require_labels(stores["train"], set(sources.values()))
        monitored = (experiment.monitor or "").partition("/")[0]
        require_measurable(stores["val"], [sources[monitored]] if monitored in sources else list(sources.values()))
        notes = [experiment.note or ""]
        experiment = experiment.for_data(stores["train"], notes.append)
        if self.resume:
            experiment = with_choices_of(read_experiment(self.folder.path), experiment)
        experiment = with_faster_precision(experiment, device, notes.append)
        if experiment.precision == "auto":
            trial = next(experiment.loader(stores["train"], device, training=True).epoch(0))
            experiment = with_fastest_way(experiment, trial, device, notes.append)
        return experiment, notes

    def _restored(self, trainer: Trainer, experiment: Experiment, stores: Mapping[str, Store]) -> Experiment:
        """Load the checkpoint, and return the experiment with the record of how the run was started and continued.

        Raises ``ValueError`` if the data, the batch size or the number of batches of an epoch are not those of the run,
        and with the changed settings if the checkpoint does not fit them.
        """
        folder = self.folder
        require_same(folder, stores)
        saved, state = read_experiment(folder.path), checkpoint.load(folder.checkpoint)
        previous = mixing(saved.data) | state.get("settings", trained_settings(saved))  # as earlier versions lack it
        for name in ("batch_size", "data.images"):
            if (before := previous.get(name)) != (now := trainer.settings.get(name)):
                raise ValueError(
                    f"{name} is {now}, and {folder.path} was trained with {before}: a run counts its epochs by "
                    f"batches, so resume it with {before}, or start another one from it"
                )
        self._require_same_order([*experiment.tasks], previous)
        self._require_same_epochs(trainer, state["processes"])
        try:
            warnings = trainer.load_state(state)
        except ValueError as error:
            if changed := changes(previous, trainer.settings):
                raise ValueError(f"{error}; since it was saved, these settings have changed: {changed}") from error
            raise
        for warning in warnings:
            _LOGGER.warning("%s", warning)
        continued = _continued(trainer, previous, saved.continued)
        _forget_lost_best(trainer)
        return replace(
            experiment, start_from=saved.start_from, start_checksum=saved.start_checksum, continued=continued
        )

    def _require_same_order(self, tasks: list[str], previous: Mapping[str, str]) -> None:
        """Raise ``ValueError`` if the ``previous`` settings have the same tasks in another order."""
        before = list(dict.fromkeys(name.split(".")[1] for name in previous if name.startswith("tasks.")))
        if before != tasks and set(before) == set(tasks):
            raise ValueError(
                f"the tasks are {', '.join(tasks)}, and {self.folder.path} was trained with {', '.join(before)}: list "
                "them in this order, in which the checkpoint has their values"
            )

    def _require_same_epochs(self, trainer: Trainer, processes: int) -> None:
        """Raise ``ValueError`` if an epoch had another number of batches on so many processes than it has now."""
        data, device = trainer.train_data, torch.device("cpu")
        before = Loader(
            data.store, {}, data.batch_size, device, shuffle=True, drop_undersized=True, rank=0, world_size=processes
        )
        if len(before) != len(data):
            raise ValueError(
                f"{self.folder.path} was trained by {counted(processes, 'process', 'processes')}, whose epochs have "
                f"{len(before)} batches, and on {world_size()} they would have {len(data)}, as each needs two images "
                "of a batch: resume it with as many processes as before"
            )


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


def _forget_lost_best(trainer: Trainer) -> None:
    """Forget the best epoch if its weights are missing or damaged, so that the next best one replaces them."""
    weights = trainer.folder.weights
    if trainer.best.value is None:
        return
    try:
        read_safetensors(weights, own=True)
    except (OSError, ValueError) as error:
        reason = str(error) if weights.is_file() else f"{weights} is gone"
        _LOGGER.warning("%s; the best epoch from now on takes its place", reason)
        trainer.best.value = None
