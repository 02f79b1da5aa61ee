"""Everything that makes a run, nothing hidden."""

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
from taskscape.devices import check_device_name
from taskscape.evaluation import find_tta
from taskscape.files.paths import is_file_name
from taskscape.modalities import Modality
from taskscape.models import DeeplabJointConfig, Network, NetworkConfig
from taskscape.models.layers.meta import without_numbers
from taskscape.objectives import Objective, Supervised
from taskscape.runs.sizes import beyond, check_memory, too_large
from taskscape.serialization import short
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
from taskscape.training.features import require_constant
from taskscape.training.optimization import AdamConfig, OptimizerConfig, Poly, Schedule, parameter_groups
from taskscape.training.precision import Precision
from taskscape.training.selection import BestEpoch
from taskscape.weighting import FixedConfig, WeightingConfig

_TAKEN = ("consistency", "loss", "weight")
"""Names of columns of the log that others with the names of tasks follow."""

_MODULES = torch.nn.ModuleDict()
"""What networks keep the parts of each task in; none can have the name of an attribute."""


@dataclass(frozen=True, repr=False)
class Experiment(RangedSettings):
    """Everything that makes a run. Two equal experiments give equal networks on the same machine.

    Where a field's type is an abstract base, such as ``NetworkConfig``, any class of the kind may stand: those of the
    package by name on the command line, others from a Python file of yours.
    """

    network: NetworkConfig = field(default_factory=DeeplabJointConfig)
    """The network."""
    tasks: Mapping[str, Task] = field(default_factory=default_tasks)
    """What it predicts, by name: the key in outputs and metrics, and the field of the data unless the task's
    ``source`` says otherwise."""
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
    """Train for so long, validations included, or for all epochs if those end before. The schedule goes by the part of
    the time that has passed, so that it is complete whatever the speed of the machine; such a run does not repeat bit
    for bit."""
    validate_every: Count = 1
    """Epochs between two validations; the last epoch always ends with one."""
    batch_size: Count = 8
    """Images of the global batch: one step, all processes together."""
    gradient_clip: Positive | None = None
    """Largest norm of the network's gradient."""
    ema: BelowOne = 0.0
    """Decay of an exponential moving average of the weights, such as 0.999, which is what is validated and kept; 0 for
    none. The metrics of the weights themselves are logged beside it."""
    precision: Literal["auto", "fp32", "bf16"] = "bf16"
    """bf16 computes convolutions in bfloat16, and keeps weights and losses in float32. auto tries both, with channels
    first and last, for some seconds before training and takes what is fastest on this machine, which decides
    channels_last too; a network that is to be compiled stays so where that helps."""
    channels_last: bool = True
    """Use the channels-last memory format."""
    recompute_activations: bool = False
    """Compute activations again in the backward pass instead of keeping them: larger batches and images fit, and a step
    takes about a quarter longer. The weights come out the same."""
    compile: bool = False
    """Compile the network with torch.compile: faster steps after a minute or so."""
    cuda_graphs: bool = True
    """On one GPU, capture each step as a CUDA graph: up to four times as fast where the GPU would wait for the host.
    Where it cannot be, or does not give the same, steps are taken as ever and the log says why."""
    device: str = "auto"
    """Where to compute: auto (a GPU when there is one), cpu, cuda, cuda:1 for the second GPU, or mps."""
    seed: Seed = 0
    """Seed of initial weights, order and augmentation."""
    monitor: str | None = None
    """The validation metric that chooses best.safetensors, such as semseg/miou; by default the leading metric of the
    first task."""
    average_last: CountOrZero = 0
    """Also report the mean of the validation metrics of so many last epochs, beside those of the best epoch: papers on
    MTAN's Cityscapes take 10. It costs nothing."""
    tta: str | None = None
    """Also evaluate with test-time augmentation when the run is finished: mirror, scales-3, scales-3-max, scales-5,
    scales-5-max, or spelled out as in 0.75-1-1.25-mirror-max."""
    patience: Count | None = None
    """Stop when the monitored metric has not been better for so many validations; none trains all epochs. The schedule
    is that of all epochs, so choose one that does not end at zero, such as schedule:constant."""
    train_metrics: Fraction = 0.1
    """Fraction of the training images, evenly spread and not augmented, whose metrics are logged after each epoch too;
    0 for none. A tenth takes about 3 % of an epoch."""
    checkpoint_minutes: NonNegative = 10.0
    """Minutes between checkpoints within an epoch, 0 for one after every step; an epoch always ends with one."""
    trackers: tuple[str, ...] = ()
    """Experiment trackers that the log is also sent to: wandb and mlflow, each an extra, or my.py:MyTracker."""
    feature_cache: NonNegative = 0.0
    """Keep what a frozen encoder gives for all images, computed once, beside the store, in up to so many GB: heads then
    train much faster. Of the augmentation only the flip goes with it. 0 computes it in every step."""
    keep_checkpoint: bool = False
    """Keep last.ckpt, which has the last weights and the optimizer's state, when the run is finished. It is some three
    times as large as best.safetensors, which is always kept."""
    start_from: Path | None = None
    """Start from the weights of this run's folder, or of this file, as far as they fit: the flag is --from."""
    note: str | None = None
    """A remark that the log and the report show, such as what --scale small changed."""
    start_checksum: str | None = None
    """SHA-256 of the weights in start_from; a run fills it in, so that it can be repeated from the same ones."""

    def __post_init__(self) -> None:
        """Check what can be checked without data. Raises ``ValueError`` that names the field."""
        super().__post_init__()
        if self.recompute_activations and self.compile:
            raise ValueError(
                "recompute_activations is on, and compile too: torch's compiler decides by itself what it keeps; leave "
                "out one of them"
            )
        if self.batch_size < 2:
            raise ValueError(f"batch_size is {self.batch_size}: batch normalization needs at least 2 images")
        check_device_name(self.device)
        find_tta(self.tta)
        if not self.tasks:
            raise ValueError("tasks: no task is enabled; choose at least one")
        for name in self.tasks:
            if not is_file_name(name) or "." in name or name in _TAKEN:
                raise ValueError(
                    f"tasks: {name!r} cannot be the name of a task, by which files and metrics are called: take "
                    f"letters, digits and _, and none of {', '.join(_TAKEN)}"
                )
            if hasattr(_MODULES, name):
                raise ValueError(
                    f"tasks: {name!r} cannot be the name of a task, since torch uses it: take another, and name the "
                    f"labels with --tasks.NAME.source {name}"
                )

    def __repr__(self) -> str:
        """Return what is not as by default, as in ``Experiment(network=XTaskConfig(encoder='resnet18'), epochs=8)``."""
        return short(self)

    @property
    def number_format(self) -> Precision:
        """The precision, once it is settled. Raises ``ValueError`` while it is auto."""
        if self.precision == "auto":
            raise ValueError("precision is auto: a run settles it before it trains (runs.fastest.settled)")
        return self.precision

    @property
    def channels(self) -> dict[str, int]:
        """Output channels by task; their classes must be known (``for_data``)."""
        return {name: task.channels for name, task in self.tasks.items()}

    def check(self) -> None:
        """Raise ``ValueError`` with the remedy where network, tasks and weighting do not fit: before any long work."""
        for name in self.trackers:
            find_tracker(name)
        preview = self.data.preview()
        experiment = self if preview is None else self._for_preview(preview)
        experiment.network.check(experiment.tasks)
        self.check_starts()
        network = experiment.build_without_numbers()
        check_memory(network, experiment.network)
        weighting = self.weighting.build(tuple(self.tasks), self.seed)
        shared = network.shared_parameters()  # those that are not frozen
        weighting.check(
            shared_parameters=bool(network.last_shared_parameters() if weighting.uses_last_layer else shared),
            shared_features=bool(shared) and network.has_shared_features,
            compiled=self.compile,
        )
        parameter_groups(network, weighting, self.optimizer)
        if self.feature_cache:
            require_constant(network, self.augmentation, compiled=self.compile)

    def _for_preview(self, preview: Preview) -> Self:
        """Return this experiment with the tasks as these data will have them, and check what that tells."""
        if preview.counts.get("train", 0) < 2 or preview.counts.get("val", 0) < 1:
            there = ", ".join(f"{split} {count}" for split, count in preview.counts.items()) or "none"
            raise ValueError(
                f"{preview.where} has too few images to train on: {there}; the split train needs 2 at least, and val 1"
            )
        tasks = {name: task_for(name, task, preview.fields, preview.where) for name, task in self.tasks.items()}
        BestEpoch(tasks, self.monitor)
        return replace(self, tasks=tasks)

    def check_starts(self) -> None:
        """Raise ``ValueError`` with the remedy where a task has no gradient at what the network puts out at first."""
        for name, task in self.tasks.items():
            if task.zero_is_clamped and name not in self.network.starts_at_values(self.tasks):
                raise ValueError(
                    f"tasks.{name} would not learn: {self.network.name} starts with raw outputs near zero, which "
                    f"decode to a value outside the task's range, where its loss has no gradient; set "
                    f"tasks.{name}.mean and tasks.{name}.std to those of the data, or choose another representation"
                )

    def build_without_numbers(self) -> Network:
        """Build the network on the meta device, which takes a moment, so that wrong settings are found early.

        Raises ``ValueError`` that names settings that are impossible.
        """
        network = self.network.for_tasks(self.tasks).from_scratch()
        channels = {name: _channels_so_far(task) for name, task in self.tasks.items()}
        try:
            with without_numbers():
                return network.build(channels)
        except RuntimeError as error:
            if "overflow" not in str(error).lower():  # torch says so of sizes beyond its integers
                raise
            raise ValueError(f"{too_large(network)}: {str(error).splitlines()[0]}") from error

    def for_data(self, store: Store, report: Callable[[str], None] = lambda text: None) -> Self:
        """Return this experiment with what it left to the data filled in; ``report`` is called with what to know of it.

        Raises ``ValueError`` that names the task and the field where the data lack something or disagree, or a setting
        that is too large for them.
        """
        for sentence in store.notes:
            report(sentence)
        tasks = {}
        for name, task in self.tasks.items():
            task = task_for(name, task, store.fields, str(store.path))
            task, sentences = task.for_values(partial(sample_values, store, task.source_for(name)))
            tasks[name], of_loss = task.for_labels(partial(_targets, store, name, task))
            for sentence in (*sentences, *of_loss):
                report(f"tasks.{name}: {sentence}")
        for sentence in beyond(store, self.batch_size, self.augmentation):
            report(sentence)
        filled = replace(self, tasks=tasks, network=self.network.for_tasks(tasks))
        filled.check_starts()
        return filled

    def loader(self, store: Store, device: torch.device, *, training: bool) -> Loader:
        """Return the batches of a split, for training or for evaluation."""
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
    """Return a task as the field of the data that it reads has it; ``where`` names these in errors.

    Raises ``ValueError`` that names the task where there is no such field, or one that it cannot learn from.
    """
    source = task.source_for(name)
    if source not in fields:
        raise ValueError(
            f"tasks.{name}: {where} has no field {source!r}, it has {', '.join(fields) or 'none'}; "
            f"leave the task out (tasks.{name}:none), or name the field with tasks.{name}.source"
        )
    return task.for_data(source, fields[source])


def _targets(store: Store, name: str, task: Task) -> Iterator[Target]:
    """Yield a task's targets of all images, in batches."""
    loader = Loader(store, {name: task}, 16, torch.device("cpu"), rank=0, world_size=1)
    return (batch.targets[name] for batch in loader.epoch(0))


def _channels_so_far(task: Task) -> int:
    """Return the output channels of a task, or any number while its classes are left to the data."""
    try:
        return task.channels
    except ValueError:
        return 2
