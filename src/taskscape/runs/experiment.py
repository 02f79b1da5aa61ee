"""Everything that makes a run, nothing hidden."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

import torch
import tyro

from taskscape import models, weighting
from taskscape.objectives.consistency import CrossTaskConsistency
from taskscape.data import Augmentation, DataSource, Loader, Packed, Store, Streets
from taskscape.modalities.class_sets import mapping
from taskscape.models import DeeplabJointConfig, NetworkConfig
from taskscape.objectives.supervised import Objective, Supervised
from taskscape.training.optimization import (
    SGD,
    Adam,
    AdamW,
    Constant,
    Cosine,
    OneCycle,
    OptimizerConfig,
    Poly,
    Schedule,
    Step,
)
from taskscape.tasks import Depth, SemanticSegmentation, SurfaceNormals, Task
from taskscape.weighting import FixedConfig, WeightingConfig

if TYPE_CHECKING:  # any class of the kind may stand here; the command line offers those below
    NetworkChoice = NetworkConfig
    DataChoice = DataSource
    ObjectiveChoice = Objective
    WeightingChoice = WeightingConfig
    OptimizerChoice = OptimizerConfig
    ScheduleChoice = Schedule
else:

    def _choice(*options: Any) -> Any:
        """Return the union of these classes, each chosen on the command line by its name."""
        return Union[tuple(Annotated[option, tyro.conf.subcommand(option.name)] for option in options)]  # noqa: UP007

    NetworkChoice = _choice(*models.OPTIONS.values())
    DataChoice = _choice(Streets, Packed)
    ObjectiveChoice = _choice(Supervised, CrossTaskConsistency)
    WeightingChoice = _choice(*weighting.OPTIONS.values())
    OptimizerChoice = _choice(SGD, Adam, AdamW)
    ScheduleChoice = _choice(Constant, Poly, Step, Cosine, OneCycle)


@dataclass(frozen=True)
class Tasks:
    """What the network predicts; none of a task means that it is not learnt."""

    semseg: SemanticSegmentation | None = field(default_factory=SemanticSegmentation)
    depth: Depth | None = field(default_factory=Depth)
    normals: SurfaceNormals | None = None

    def by_name(self) -> dict[str, Task]:
        """Return the tasks that are learnt. Raises ``ValueError`` when there is none."""
        chosen: Mapping[str, Task | None] = {"semseg": self.semseg, "depth": self.depth, "normals": self.normals}
        tasks = {name: task for name, task in chosen.items() if task is not None}
        if not tasks:
            raise ValueError("tasks: nothing is to be learnt; choose at least one of semseg, depth, normals")
        return tasks


@dataclass(frozen=True)
class Experiment:
    """Everything that makes a run. Two equal experiments give equal networks on the same machine."""

    network: NetworkChoice = field(default_factory=DeeplabJointConfig)
    """The network."""
    tasks: Tasks = field(default_factory=Tasks)
    """What it predicts."""
    data: DataChoice = field(default_factory=Streets)
    """What it learns from."""
    augmentation: Augmentation = field(default_factory=Augmentation)
    """How training images are varied."""
    objective: ObjectiveChoice = field(default_factory=Supervised)
    """How predictions become one loss per task."""
    weighting: WeightingChoice = field(default_factory=FixedConfig)
    """How the tasks are balanced."""
    optimizer: OptimizerChoice = field(default_factory=Adam)
    """How weights are updated."""
    schedule: ScheduleChoice = field(default_factory=Poly)
    """How the learning rate moves."""
    epochs: int = 16
    """Passes over the training images."""
    batch_size: int = 8
    """Images per step, over all processes together."""
    gradient_clip: float | None = None
    """Largest norm of the network's gradient."""
    precision: Literal["fp32", "bf16"] = "bf16"
    """bf16 computes convolutions in bfloat16, and keeps weights and losses in float32."""
    channels_last: bool = True
    """Memory order that convolutions are fastest in."""
    compile: bool = False
    """Compile the network with torch.compile: faster steps after a minute or so."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute; auto takes a GPU when there is one."""
    seed: int = 0
    """Seed of initial weights, order and augmentation."""
    best: str | None = None
    """The validation metric by which best.safetensors is chosen, such as semseg/miou; by default the first of
    semseg/miou, depth/si_log_rmse, normals/mean that there is."""
    checkpoint_minutes: float = 10.0
    """Minutes between checkpoints within an epoch; there is always one at an epoch's end."""

    def __post_init__(self) -> None:
        """Check what can be checked without data. Raises ``ValueError`` that names the field."""
        if self.epochs < 1:
            raise ValueError(f"epochs is {self.epochs}: it must be at least 1")
        if self.batch_size < 2:
            raise ValueError(f"batch_size is {self.batch_size}: batch normalisation needs at least 2 images")
        if self.gradient_clip is not None and not self.gradient_clip > 0:
            raise ValueError(f"gradient_clip is {self.gradient_clip}: it must be positive, or none")

    def for_data(self, store: Store) -> "Experiment":
        """Return this experiment with what it left to the data filled in. Raises ``ValueError`` where they disagree."""
        semseg = self.tasks.semseg
        if semseg is not None:
            if store.class_set is None:
                raise ValueError(
                    f"tasks.semseg: {store.path} has no class labels; leave the task out: tasks.semseg:none"
                )
            semseg = semseg.classes_of_data(store.class_set)
            mapping(store.class_set, semseg.class_set)
        depth = self.tasks.depth and self.tasks.depth.scale_of_data(store.depth_scale_known)
        return replace(self, tasks=replace(self.tasks, semseg=semseg, depth=depth))

    def loader(self, store: Store, device: torch.device, *, training: bool) -> Loader:
        """Return the batches of a split, for training or for measuring."""
        classes = self.tasks.semseg and self.tasks.semseg.class_set
        return Loader(
            store,
            tuple(self.tasks.by_name()),
            self.batch_size,
            device,
            seed=self.seed,
            augmentation=self.augmentation if training else None,
            shuffle=training,
            drop_single=training,
            class_map=mapping(store.class_set, classes) if classes and store.class_set else None,
            channels_last=self.channels_last,
        )
