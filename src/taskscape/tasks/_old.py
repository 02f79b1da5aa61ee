"""The tasks: what a network's raw output means, what it is compared by, and how it is measured."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
import tyro
from torch import Tensor

from taskscape.batch import Target
from taskscape.modalities.class_sets import CLASS_SETS, ClassSet
from taskscape.losses import L1, Cosine, CrossEntropy, DepthLoss, NormalsLoss, SegmentationLoss
from taskscape.losses.base import at_least_float32
from taskscape.metrics import DepthMetrics, NormalsMetrics, SegmentationMetrics, TaskMetric


class Task(ABC):
    """One thing to predict at every pixel. Everything that is particular to it is here and nowhere else."""

    name: ClassVar[str]
    """The key of this task in outputs, targets, losses and metrics."""
    kind: ClassVar[Literal["classes", "depth", "directions"]]
    """What its quantity is, for those who draw it."""

    @property
    @abstractmethod
    def channels(self) -> int:
        """Number of channels of the raw output."""

    @abstractmethod
    def loss_of(self, raw: Tensor, target: Target) -> Tensor:
        """Return this process's share of the joint loss; ``raw`` is (B, channels, H, W)."""

    @abstractmethod
    def decode(self, raw: Tensor) -> Tensor:
        """Turn raw output into the physical quantity, shaped and scaled as ``Target.value``."""

    @abstractmethod
    def metric(self) -> TaskMetric:
        """Return fresh metrics for decoded predictions."""

    def mirrored(self, raw: Tensor) -> Tensor:
        """Turn the raw output for an image into that for its mirror image, left to right."""
        return raw.flip(-1)

    @property
    def class_set(self) -> ClassSet | None:
        """The classes, of a task that has them."""
        return None

    @property
    def in_known_scale(self) -> bool:
        """Whether values of different images can be compared."""
        return True


ClassSetByName = Annotated[
    ClassSet | None,
    tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="{" + ",".join(CLASS_SETS) + ",data}",
        instance_from_str=lambda args: None if args[0] == "data" else CLASS_SETS[args[0]],
        is_instance=lambda x: x is None or isinstance(x, ClassSet),
        str_from_instance=lambda x: ["data" if x is None else x.name],
        choices=(*CLASS_SETS, "data"),
    ),
]


@dataclass(frozen=True)
class SemanticSegmentation(Task):
    """Which class every pixel belongs to."""

    name: ClassVar[str] = "semseg"
    kind: ClassVar[Literal["classes", "depth", "directions"]] = "classes"

    classes: ClassSetByName = None
    """The class set; ``data`` takes the one of the data."""
    loss: SegmentationLoss = field(default_factory=CrossEntropy)
    """How the prediction is compared with the label."""

    @property
    def class_set(self) -> ClassSet:
        """The class set. Raises ``ValueError`` while it is still left to the data."""
        if self.classes is None:
            raise ValueError("the classes are still those of the data, which has not been opened; name a class set")
        return self.classes

    @property
    def channels(self) -> int:
        """One score per class."""
        return len(self.class_set)

    def loss_of(self, raw: Tensor, target: Target) -> Tensor:
        """Compare class scores with ids."""
        return self.loss(raw, target)

    def decode(self, raw: Tensor) -> Tensor:
        """Return the class of the highest score, (B, H, W) int64."""
        return raw.max(dim=1).indices  # argmax takes twice as long on a CPU

    def metric(self) -> TaskMetric:
        """Return mIoU and its relatives."""
        return SegmentationMetrics(self.class_set.classes)

    def classes_of_data(self, classes: ClassSet) -> "SemanticSegmentation":
        """Return this task with the class set of the data, unless it has chosen one."""
        return self if self.classes is not None else replace(self, classes=classes)


Representation = Literal["metres", "log", "inverse"]

# Mean and deviation of the depth of Miniscapes, on which the networks with normalised depth were published.
_NORMALISATION: dict[Representation, tuple[float, float]] = {
    "metres": (27.0727, 29.1264),
    "log": (2.8936, 0.8661),
    "inverse": (0.0, 1.0),
}


@dataclass(frozen=True)
class Depth(Task):
    """How far every pixel is away, in metres along the optical axis.

    The network's output is a normalised representation of the metres: (f(metres) - mean) / deviation.
    """

    name: ClassVar[str] = "depth"
    kind: ClassVar[Literal["classes", "depth", "directions"]] = "depth"

    representation: Representation = "log"
    """f: metres, their natural logarithm, or their inverse."""
    mean: float | None = None
    """Mean of f(metres); by default 27.0727 (metres), 2.8936 (log), 0 (inverse)."""
    deviation: float | None = None
    """Standard deviation of f(metres); by default 29.1264 (metres), 0.8661 (log), 1 (inverse)."""
    range: tuple[float, float] = (0.5, 300.0)
    """Nearest and farthest depth in metres: predictions and what they are compared with are clamped to it."""
    loss: DepthLoss = field(default_factory=L1)
    """How the prediction is compared with the target."""
    inverse_unit: float = 1.0
    """The depth in metres whose inverse the errors inverse_abs and inverse_rel call 1; 1.8499 for MTAN's Cityscapes."""
    scale_known: bool | None = None
    """Whether the depth of the data is in metres. If not, it is proportional to them within an image only, and the
    metrics that need a scale are left out. By default as the data says."""

    def __post_init__(self) -> None:
        """Check the settings. Raises ``ValueError``."""
        if not 0 < self.range[0] < self.range[1]:
            raise ValueError(f"tasks.depth.range is {self.range}: it must be 0 < nearest < farthest, in metres")
        if self.deviation is not None and not self.deviation > 0:
            raise ValueError(f"tasks.depth.deviation is {self.deviation}: it must be positive")

    @property
    def channels(self) -> int:
        """One."""
        return 1

    @property
    def normalisation(self) -> tuple[float, float]:
        """Mean and deviation in force."""
        mean, deviation = _NORMALISATION[self.representation]
        return (mean if self.mean is None else self.mean, deviation if self.deviation is None else self.deviation)

    def encode(self, metres: Tensor) -> Tensor:
        """Turn metres into what the network learns to put out."""
        mean, deviation = self.normalisation
        metres = metres.clamp(*self.range)
        match self.representation:
            case "metres":
                value = metres
            case "log":
                value = metres.log()
            case "inverse":
                value = 1 / metres
        return (value - mean) / deviation

    def decode(self, raw: Tensor) -> Tensor:
        """Turn raw output into metres within the range, (B, 1, H, W)."""
        mean, deviation = self.normalisation
        nearest, farthest = self.range
        value = at_least_float32(raw) * deviation + mean
        match self.representation:
            case "metres":
                return value.clamp(nearest, farthest)
            case "log":
                return value.clamp(torch.tensor(nearest).log().item(), torch.tensor(farthest).log().item()).exp()
            case "inverse":
                return 1 / value.clamp(1 / farthest, 1 / nearest)

    def loss_of(self, raw: Tensor, target: Target) -> Tensor:
        """Compare in metres or in the representation, as the loss wants it."""
        if self.loss.in_metres:
            return self.loss(self.decode(raw), Target(target.value.clamp(*self.range), target.valid))
        return self.loss(raw, Target(self.encode(target.value), target.valid))

    def metric(self) -> TaskMetric:
        """Return the depth errors."""
        return DepthMetrics(self.inverse_unit, scale_known=self.in_known_scale)

    @property
    def in_known_scale(self) -> bool:
        """False for depth of unknown scale."""
        return self.scale_known is not False

    def scale_of_data(self, known: bool) -> "Depth":
        """Return this task with what the data says about its scale, unless it has its own word on that."""
        return self if self.scale_known is not None else replace(self, scale_known=known)


@dataclass(frozen=True)
class SurfaceNormals(Task):
    """Which way every pixel's surface faces: a unit vector in camera axes (x right, y down, z forward)."""

    name: ClassVar[str] = "normals"
    kind: ClassVar[Literal["classes", "depth", "directions"]] = "directions"

    loss: NormalsLoss = field(default_factory=Cosine)
    """How the prediction is compared with the target."""

    @property
    def channels(self) -> int:
        """The three components."""
        return 3

    def loss_of(self, raw: Tensor, target: Target) -> Tensor:
        """Compare directions."""
        return self.loss(raw, target)

    def decode(self, raw: Tensor) -> Tensor:
        """Scale the output to unit length, (B, 3, H, W)."""
        return F.normalize(at_least_float32(raw), dim=1)

    def mirrored(self, raw: Tensor) -> Tensor:
        """Mirror the picture, and each direction too."""
        return raw.flip(-1) * raw.new_tensor([-1.0, 1.0, 1.0])[:, None, None]

    def metric(self) -> TaskMetric:
        """Return the angular errors."""
        return NormalsMetrics()
