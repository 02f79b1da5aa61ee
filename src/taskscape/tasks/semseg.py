"""Semantic segmentation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar, Literal, Self

import torch
import tyro
from torch import Tensor
from typing_extensions import override

from taskscape import modalities
from taskscape.batch import Target
from taskscape.losses import CrossEntropy, SegmentationLoss
from taskscape.losses.base import at_least_float32
from taskscape.metrics.semseg import SegmentationMetrics
from taskscape.modalities import CLASS_SETS, ClassSet, Modality
from taskscape.modalities.class_maps import class_table, groups
from taskscape.modalities.class_sets import label_map
from taskscape.tasks.base import Task, read_as
from taskscape.tasks.distributions.classes import Categorical, ClassConfidence
from taskscape.tasks.merged_classes import MergedClasses

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
    """Which class every pixel belongs to.

    >>> import torch
    >>> task = SemanticSegmentation(classes=CLASS_SETS["cityscapes-7"])
    >>> task.channels, tuple(task.decode(torch.randn(1, 7, 4, 6)).shape)
    (7, (1, 4, 6))
    """

    name: ClassVar[str] = "semseg"

    classes: ClassSetByName = None
    """The class set; ``data`` takes the one of the data."""
    loss: SegmentationLoss = field(default_factory=CrossEntropy)
    """How the prediction is compared with the label."""
    confidence: ClassConfidence | None = None
    """Calibrate and measure how sure it is, by the probability of the chosen class, its margin over the next one, or 1
    minus the entropy of all; the network stays as it is. By default neither, and the probability is what is asked for
    otherwise."""
    source: str | None = None
    """The store's field of class labels; none for the one with the task's own name."""

    @property
    @override
    def modality(self) -> modalities.Semseg:
        if self.classes is None:
            raise ValueError(
                "the classes of a segmentation task are left to the data, which is not known yet: call for_data first, "
                "or name a class set"
            )
        return modalities.Semseg(self.classes)

    @property
    @override
    def channels(self) -> int:
        """One score per class."""
        return len(self.modality.classes)

    @property
    @override
    def channel_names(self) -> Sequence[str]:
        return self.modality.classes.classes

    @property
    @override
    def predicts_classes(self) -> bool:
        return True

    @property
    @override
    def distribution(self) -> Categorical:
        return Categorical(self.confidence or "probability")

    @property
    @override
    def measures_confidence(self) -> bool:
        return self.confidence is not None

    @override
    def for_data(self, field: str, modality: Modality) -> Self:
        """Take the classes of the data, unless a class set is chosen, which theirs must have a map to."""
        theirs = read_as(field, modality, modalities.Semseg).classes
        if self.classes is None:
            return replace(self, classes=theirs)
        try:
            label_map(theirs, self.classes)
        except ValueError as error:
            raise ValueError(f"field {field!r}: {error}") from error
        return self

    @override
    def measured_on(
        self, field: str, modality: Modality, classes: str = ""
    ) -> tuple[Self, Callable[[Tensor], Tensor] | None]:
        """Map the labels to the classes of this task where such a map is known; else merge the predicted classes."""
        ours, theirs = self.modality.classes, read_as(field, modality, modalities.Semseg).classes
        if not classes:
            try:
                label_map(theirs, ours)
            except ValueError:
                pass
            else:
                return self, None
        try:
            merged = groups(class_table(ours, theirs, classes), ours, theirs)
        except ValueError as error:
            raise ValueError(f"field {field!r}: {error}") from error
        return replace(self, classes=theirs, loss=CrossEntropy()), MergedClasses(tuple(map(tuple, merged)))

    @override
    def target(self, target: Target, modality: Modality) -> Target:
        """Turn the ids of the data's class set into those of the task's."""
        assert isinstance(modality, modalities.Semseg)  # for_data has checked it
        return modality.convert(target, self.modality.classes)

    @override
    def decode(self, raw: Tensor) -> Tensor:
        """Return the class of the highest score, (B, H, W) int64."""
        return raw.max(dim=1).indices  # argmax takes twice as long on a CPU

    @override
    def merge(self, raws: Sequence[Tensor], reduce: Literal["mean", "max"]) -> Tensor:
        """Return the logarithms of the mean, or maximum, of the probabilities."""
        probabilities = [at_least_float32(raw).softmax(1) for raw in raws]
        return super().merge(probabilities, reduce).clamp_min(torch.finfo(torch.float32).tiny).log()

    @override
    def metrics(self) -> SegmentationMetrics:
        return SegmentationMetrics(self.modality.classes.classes)
