"""The experiment: all settings of a run."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal, Self

import torch

from taskscape.batch import Target
from taskscape.data import Augmentation, DataSource, Loader, Store, Streets
from taskscape.data.sample import sample_values
from taskscape.data.sources import Preview
from taskscape.devices import check_device_name, find_device
from taskscape.evaluation import find_tta
from taskscape.files.paths import is_file_name
from taskscape.modalities import Modality
from taskscape.models import DeeplabJointConfig, Network, NetworkConfig
from taskscape.models.layers.meta import without_numbers
from taskscape.models.tasks import is_used_by_torch
from taskscape.objectives import Objective, Supervised
from taskscape.runs.sizes import check_memory, oversized_settings, too_large
from taskscape.serialization import dump, short
from taskscape.serialization.ranges import (
    BelowOne,
    Count,
    CountOrZero,
    Fraction,
    NonNegative,
    Positive,
    RangedSettings,
    Seed,
)
from taskscape.tasks import Task, default_tasks
from taskscape.trackers import find_tracker
from taskscape.training.bf16_speed import faster_precision
from taskscape.training.features import require_constant
from taskscape.training.optimization import AdamConfig, OptimizerConfig, Poly, Schedule, parameter_groups
from taskscape.training.precision import Precision
from taskscape.training.selection import BestEpoch
from taskscape.weighting import FixedConfig, WeightingConfig

_RESERVED = ("consistency", "loss", "weight")
"""Column names of the log that are followed by names of tasks."""


@dataclass(frozen=True, repr=False)
class Experiment(RangedSettings):
    """All settings of a run. Two equal experiments give equal networks on the same machine.

    If the type of a field is an abstract base class, such as ``NetworkConfig``, any of its subclasses can be used:
    those of the package by name on the command line, others from a Python file of yours.
    """

    network: NetworkConfig = field(default_factory=DeeplabJointConfig)
    """The network."""
    tasks: Mapping[str, Task] = field(default_factory=default_tasks)
    """What the network predicts, by name: the key in outputs and metrics, and the field of the data unless the task's
    ``source`` names another."""
    data: DataSource = field(default_factory=Streets)
    """Where images and labels come from."""
    augmentation: Augmentation = field(default_factory=Augmentation)
    """Random changes of training images."""
    objective: Objective = field(default_factory=Supervised)
    """How predictions become one loss per task."""
    weighting: WeightingConfig = field(default_factory=FixedConfig)
    """How the tasks are balanced."""
    optimizer: OptimizerConfig = field(default_factory=AdamConfig)
    """How weights are updated."""
    schedule: Schedule = field(default_factory=Poly)
    """Learning-rate schedule."""
    epochs: Count = 16
    """Passes over the training images."""
    minutes: Positive | None = None
    """Train for this long, validations included, or for all epochs if they end earlier. The schedule follows the
    fraction of the time that has passed, so it is complete at any speed of the machine; such a run does not repeat bit
    for bit."""
    validate_every: Count = 1
    """Epochs between two validations; the last epoch always ends with one."""
    batch_size: Count = 8
    """Images of the global batch: one step, all processes together."""
    gradient_clip: Positive | None = None
    """Maximum norm of the network's gradient."""
    ema: BelowOne = 0.0
    """Decay of an exponential moving average of the weights, such as 0.999; the average is then validated and kept, and
    the metrics of the weights themselves are logged too. 0 for none."""
    precision: Literal["fast", "auto", "fp32", "bf16"] = "fast"
    """bf16 computes convolutions in bfloat16, and keeps weights and losses in float32. fast is bf16 on a machine that
    computes a convolution faster in it, which is timed once, otherwise fp32. auto times the steps of this network in
    both, with channels first and last, for some seconds before training and uses the fastest, which sets channels_last
    too; with compile, the network is compiled only if that helps."""
    channels_last: bool = True
    """Use the channels-last memory format."""
    recompute_activations: bool = False
    """Recompute activations in the backward pass instead of keeping them: larger batches and images fit, and a step
    takes about a quarter longer. The trained weights are the same."""
    compile: bool = False
    """Compile the network with torch.compile: faster steps after a minute or so."""
    cuda_graphs: bool = True
    """On one GPU, capture each step as a CUDA graph: up to four times as fast where the GPU would wait for the host. If
    a step cannot be captured, or gives different results, steps are taken without graphs and the log says why."""
    device: str = "auto"
    """Device: auto (a GPU if there is one), cpu, cuda, cuda:1 for the second GPU, or mps."""
    seed: Seed = 0
    """Seed of the initial weights, the order of images and the augmentation."""
    monitor: str | None = None
    """The validation metric that chooses best.safetensors, such as semseg/miou; by default the leading metric of the
    first task."""
    average_last: CountOrZero = 0
    """Also report the mean of the validation metrics over this many last epochs, beside those of the best epoch; papers
    on MTAN's Cityscapes use 10. It costs nothing."""
    tta: str | None = None
    """Also evaluate with test-time augmentation after training: mirror, scales-3, scales-3-max, scales-5, scales-5-max,
    or spelled out as in 0.75-1-1.25-mirror-max."""
    patience: Count | None = None
    """Stop when the monitored metric has not improved for this many validations; none trains all epochs. The schedule
    still covers all epochs, so choose one that does not end at zero, such as schedule:constant."""
    train_metrics: Fraction = 0.1
    """Fraction of the training images, evenly spread and not augmented, whose metrics are logged with each validation
    too; 0 for none. A tenth takes about 3 % of an epoch."""
    checkpoint_minutes: NonNegative = 10.0
    """Minutes between checkpoints within an epoch, 0 for one after every step; an epoch always ends with one."""
    trackers: tuple[str, ...] = ()
    """Experiment trackers to which the log is also sent: wandb and mlflow, each an extra, or my.py:MyTracker."""
    feature_cache: NonNegative = 0.0
    """Compute the features of a frozen encoder once for all images, and keep them beside the store, in up to this many
    GB: heads then train much faster. Flipping is the only augmentation that it allows. 0 computes them in every
    step."""
    keep_checkpoint: bool = False
    """Keep last.ckpt, with the last weights and the optimizer's state, after the run is finished. It is about three
    times as large as best.safetensors, which is always kept."""
    start_from: Path | None = None
    """Start from the weights in this run folder or file, as far as they fit; the flag is --from."""
    note: str | None = None
    """A remark for the log and the report, such as what --scale small changed."""
    start_checksum: str | None = None
    """SHA-256 of the weights in start_from; the run fills it in, so that it can be repeated from the same weights."""
    continued: str | None = None
    """How the run was continued with other settings than before; the run fills it in, so that comparisons tell it from
    a run that had the same settings from the start."""

    def __post_init__(self) -> None:
        """Check settings, as far as possible without data. Raises ``ValueError`` that names the field."""
        super().__post_init__()
        if self.recompute_activations and self.compile:
            raise ValueError(
                "recompute_activations is on, and compile too: torch's compiler itself decides what to keep; leave "
                "out one of them"
            )
        if self.batch_size < 2:
            raise ValueError(f"batch_size is {self.batch_size}: batch normalization needs at least 2 images")
        check_device_name(self.device)
        find_tta(self.tta)
        if not self.tasks:
            raise ValueError("tasks: no task is enabled; choose at least one")
        for name in self.tasks:
            if not is_file_name(name) or "." in name or name in _RESERVED:
                raise ValueError(
                    f"tasks: {name!r} cannot be the name of a task, since files and metrics are named after tasks: "
                    f"use letters, digits and _, and none of {', '.join(_RESERVED)}"
                )
            if is_used_by_torch(name):
                raise ValueError(
                    f"tasks: {name!r} cannot be the name of a task, since torch uses it: choose another, and select "
                    f"the labels with --tasks.NAME.source {name}"
                )

    def __repr__(self) -> str:
        """Return the changed settings, such as ``Experiment(network=XTaskConfig(encoder='resnet18'), epochs=8)``."""
        return short(self)

    @property
    def number_format(self) -> Precision:
        """The precision on this machine, once it is chosen. Raises ``ValueError`` while it is auto."""
        if self.precision == "auto":
            raise ValueError("precision is auto: a run chooses it before training (runs.fastest.with_fastest_way)")
        return faster_precision(find_device(self.device)) if self.precision == "fast" else self.precision

    @property
    def channels(self) -> dict[str, int]:
        """Output channels by task; the classes must be known (``for_data``)."""
        return {name: task.channels for name, task in self.tasks.items()}

    def check(self) -> None:
        """Raise ``ValueError`` with the remedy if network, tasks and weighting do not fit, before any long work.

        Also if the experiment cannot be saved, since a class of the user has no name or no file.
        """
        dump(self)
        for name in self.trackers:
            find_tracker(name)
        preview = self.data.preview()
        experiment = self if preview is None else self._for_preview(preview)
        experiment.network.check(experiment.tasks)
        self.check_starts()
        network = experiment.build_without_numbers()
        check_memory(network, experiment.network)
        weighting = self.weighting.build(tuple(self.tasks), self.seed)
        shared = network.shared_parameters()  # without frozen ones
        weighting.check(
            shared_parameters=bool(network.last_shared_parameters() if weighting.uses_last_layer else shared),
            shared_features=bool(shared) and network.has_shared_features,
            compiled=self.compile,
        )
        parameter_groups(network, weighting, self.optimizer)
        if self.feature_cache:
            require_constant(network, self.augmentation, compiled=self.compile)

    def _for_preview(self, preview: Preview) -> Self:
        """Return this experiment with its tasks adapted to these data, and check that they are sufficient."""
        if preview.counts.get("train", 0) < 2 or preview.counts.get("val", 0) < 1:
            counts = ", ".join(f"{split} {count}" for split, count in preview.counts.items()) or "none"
            raise ValueError(
                f"{preview.where} has too few images to train on: {counts}; the split train needs at least 2, and val 1"
            )
        tasks = {name: task_for(name, task, preview.fields, preview.where) for name, task in self.tasks.items()}
        BestEpoch(tasks, self.monitor)
        return replace(self, tasks=tasks)

    def check_starts(self) -> None:
        """Raise ``ValueError`` with the remedy if a task has no gradient at the initial outputs of the network."""
        for name, task in self.tasks.items():
            if task.zero_is_clamped and name not in self.network.starts_at_values(self.tasks):
                raise ValueError(
                    f"tasks.{name} would not learn: {self.network.name} starts with raw outputs near zero, which "
                    f"decode to a value outside the task's range, where its loss has no gradient; set "
                    f"tasks.{name}.mean and tasks.{name}.std to those of the data, or choose another representation"
                )

    def build_without_numbers(self) -> Network:
        """Build the network on the meta device, which is quick, so that wrong settings are found early.

        Raises ``ValueError`` that names impossible settings.
        """
        network = self.network.for_tasks(self.tasks).from_scratch()
        channels = {name: _channels_so_far(task) for name, task in self.tasks.items()}
        try:
            with without_numbers():
                return network.build(channels)
        except RuntimeError as error:
            if "overflow" not in str(error).lower():  # torch's error for sizes beyond its integers
                raise
            raise ValueError(f"{too_large(network)}: {str(error).splitlines()[0]}") from error

    def for_data(self, store: Store, report: Callable[[str], None] = lambda text: None) -> Self:
        """Return this experiment with settings that depend on the data filled in; ``report`` is called with remarks.

        Raises ``ValueError`` that names the task and the field if the data lack something or disagree with the
        settings, or names a setting that is too large for the data.
        """
        for sentence in store.notes:
            report(sentence)
        tasks = {}
        for name, task in self.tasks.items():
            task = task_for(name, task, store.fields, str(store.path))
            task, sentences = task.for_values(partial(sample_values, store, task.source_for(name)))
            tasks[name], loss_sentences = task.for_labels(partial(_targets, store, name, task))
            for sentence in (*sentences, *loss_sentences):
                report(f"tasks.{name}: {sentence}")
        for sentence in oversized_settings(store, self.batch_size, self.augmentation):
            report(sentence)
        filled = replace(self, tasks=tasks, network=self.network.for_tasks(tasks))
        filled.check_starts()
        return filled

    def loader(self, store: Store, device: torch.device, *, training: bool) -> Loader:
        """Return the loader of a split, for training or for evaluation."""
        return Loader(
            store,
            self.tasks,
            self.batch_size,
            device,
            seed=self.seed,
            augmentation=self.augmentation if training else None,
            shuffle=training,
            drop_undersized=training,
            channels_last=self.channels_last,
        )


def task_for(name: str, task: Task, fields: Mapping[str, Modality], where: str) -> Task:
    """Return a task adapted to the field of the data that it reads; ``where`` names the data in errors.

    Raises ``ValueError`` that names the task if there is no such field, or if the task cannot learn from it.
    """
    source = task.source_for(name)
    if source not in fields:
        raise ValueError(
            f"tasks.{name}: {where} has no field {source!r}, it has {', '.join(fields) or 'none'}; "
            f"leave the task out (tasks.{name}:none), or name the field with tasks.{name}.source"
        )
    return task.for_data(source, fields[source])


def _targets(store: Store, name: str, task: Task) -> Iterator[Target]:
    """Return an iterator over a task's targets of all images, in batches."""
    loader = Loader(store, {name: task}, 16, torch.device("cpu"), rank=0, world_size=1)
    return (batch.targets[name] for batch in loader.epoch(0))


def _channels_so_far(task: Task) -> int:
    """Return the output channels of a task, or any number while its classes depend on the data."""
    try:
        return task.channels
    except ValueError:
        return 2
