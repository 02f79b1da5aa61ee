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
from taskscape.losses.weighted_class_loss import WeightedClassLoss
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
    """The class of every pixel.

    >>> import torch
    >>> task = SemanticSegmentation(classes=CLASS_SETS["cityscapes-7"])
    >>> task.channels, tuple(task.decode(torch.randn(1, 7, 4, 6)).shape)
    (7, (1, 4, 6))
    """

    name: ClassVar[str] = "semseg"

    classes: ClassSetByName = None
    """The class set; ``data`` uses the class set of the data."""
    loss: SegmentationLoss = field(default_factory=CrossEntropy)
    """The loss between prediction and label."""
    confidence: ClassConfidence | None = None
    """Calibrate and measure the confidence: the probability of the predicted class, its margin over the next one, or 1
    minus the entropy of all classes. The network does not change. By default, confidence is neither calibrated nor
    measured, and is the probability if it is requested nevertheless."""
    source: str | None = None
    """The store's field of class labels; none for the field with the task's name."""

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
        """Use the class set of the data, unless one is chosen, to which a map from the data's classes must exist."""
        data_classes = read_as(field, modality, modalities.Semseg).classes
        classes = data_classes if self.classes is None else self.classes
        try:
            label_map(data_classes, classes)
            if isinstance(self.loss, WeightedClassLoss):
                self.loss.check_classes(len(classes))
        except ValueError as error:
            raise ValueError(f"field {field!r}: {error}") from error
        return replace(self, classes=classes)

    @override
    def measured_on(
        self, field: str, modality: Modality, classes: str = ""
    ) -> tuple[Self, Callable[[Tensor], Tensor] | None]:
        """Map the labels to the classes of this task if there is a map; otherwise merge the predicted classes.

        With ``classes``, always merge by that table.
        """
        task_classes, data_classes = self.modality.classes, read_as(field, modality, modalities.Semseg).classes
        if not classes:
            try:
                label_map(data_classes, task_classes)
            except ValueError:
                pass
            else:
                return self, None
        try:
            class_groups = groups(class_table(task_classes, data_classes, classes), task_classes, data_classes)
        except ValueError as error:
            raise ValueError(f"field {field!r}: {error}") from error
        return replace(self, classes=data_classes, loss=CrossEntropy()), MergedClasses(tuple(map(tuple, class_groups)))

    @override
    def target(self, target: Target, modality: Modality) -> Target:
        """Convert the ids of the data's class set to those of the task's."""
        assert isinstance(modality, modalities.Semseg)  # for_data has checked it
        return modality.convert(target, self.modality.classes)

    @override
    def decode(self, raw: Tensor) -> Tensor:
        """Return the class with the highest score, (B, H, W) int64."""
        if self.classes is not None:
            self.check_channels(raw, self.channels)
        return raw.max(dim=1).indices  # argmax takes twice as long on a CPU

    @override
    def merge(self, raws: Sequence[Tensor], reduce: Literal["mean", "max"]) -> Tensor:
        """Return the logarithms of the mean, or maximum, of the probabilities."""
        probabilities = [at_least_float32(raw).softmax(1) for raw in raws]
        return super().merge(probabilities, reduce).clamp_min(torch.finfo(torch.float32).tiny).log()

    @override
    def metrics(self) -> SegmentationMetrics:
        return SegmentationMetrics(self.modality.classes.classes)
