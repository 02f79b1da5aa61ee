"""Base class of cross-entropy and related losses: class weights, label smoothing, logit adjustment."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch.nn.functional as F
from torch import Tensor
from typing_extensions import override

from taskscape.batch import Target
from taskscape.devices import constant
from taskscape.losses.base import ClassLoss, LossTerm, at_least_float32
from taskscape.losses.class_weights import ClassCounts, ClassWeightRule, class_weights
from taskscape.serialization import counted
from taskscape.serialization.ranges import BelowOne, Fraction


@dataclass(frozen=True)
class WeightedClassLoss(ClassLoss):
    """Cross-entropy of class scores, (B, C, H, W), and class ids, (B, H, W), with the settings of all such losses."""

    class_weights: tuple[float, ...] | ClassWeightRule | None = None
    """A positive weight per class, or the rule by which a run computes the weights from its training labels
    (``taskscape.losses.class_weights``): median-frequency, inverse-log as in ENet, or effective-number. None gives all
    classes equal weights."""
    label_smoothing: BelowOne = 0.0
    """Fraction of the label that is spread over all classes, at least 0 and below 1."""
    logit_adjustment: Fraction = 0.0
    """Strength a, from 0 to 1, of a logit adjustment: scores + a·log(class weight) are compared with the labels, so the
    scores themselves favor classes of large weight less. 1 cancels the effect of the weights on the scores, but not
    their effect on the features (based on Menon et al., ICLR 2021, https://arxiv.org/abs/2007.07314)."""

    def __post_init__(self) -> None:
        """Check the settings. Raises ``ValueError``."""
        super().__post_init__()
        weights = () if isinstance(self.class_weights, str) else self.class_weights or ()
        if not all(weight > 0 for weight in weights):
            raise ValueError(
                f"class_weights are {self.class_weights}: each must be positive; "
                "to ignore a class, mark its pixels as invalid in the data"
            )

    @override
    def for_labels(self, targets: Callable[[], Iterable[Target]], channels: Sequence[str]) -> tuple[Self, list[str]]:
        """Compute the class weights if they are given as a rule."""
        if not isinstance(self.class_weights, str):
            return self, []
        weights = class_weights(self.class_weights, ClassCounts.of(targets(), len(channels)))
        lightest, heaviest = (weights.index(weight) for weight in (min(weights), max(weights)))
        return replace(self, class_weights=weights), [
            f"class weights by {self.class_weights}, from {weights[lightest]:.3g} of {channels[lightest]} to "
            f"{weights[heaviest]:.3g} of {channels[heaviest]}"
        ]

    @override
    def term(self, prediction: Tensor, target: Target) -> LossTerm:
        """Return the sum of the losses of all pixels that are not ignored, and the ``normalizer``."""
        offsets = self._score_offsets(at_least_float32(prediction[:0]))
        if offsets is not None:
            self.check_classes(prediction.shape[1])
            prediction = at_least_float32(prediction) + offsets
        return super().term(prediction, target)

    def _score_offsets(self, prediction: Tensor) -> Tensor | None:
        """Return the offset of the scores, (C, 1, 1), in the dtype of ``prediction``; None for no offset."""
        weights = self._weights(prediction) if self.logit_adjustment else None
        return None if weights is None else (self.logit_adjustment * weights.log())[:, None, None]

    @override
    def per_pixel(self, prediction: Tensor, value: Tensor) -> Tensor:
        """Return w[y]·loss. Raises ``ValueError`` unless there is one weight per class."""
        weights = self._weights(prediction)
        if weights is not None:
            self.check_classes(prediction.shape[1])
        return F.cross_entropy(prediction, value, weights, reduction="none", label_smoothing=self.label_smoothing)

    @override
    def normalizer(self, prediction: Tensor, value: Tensor, valid: Tensor) -> Tensor:
        weights = self._weights(prediction)
        if weights is None:
            return super().normalizer(prediction, value, valid)
        return weights[value].masked_fill(~valid, 0.0).sum()

    def check_classes(self, count: int) -> None:
        """Raise ``ValueError`` unless there is one weight for each of ``count`` classes, or a rule, or none."""
        weights = self.class_weights
        if weights is not None and not isinstance(weights, str) and len(weights) != count:
            entries, classes = counted(len(weights), "entry", "entries"), counted(count, "class", "classes")
            raise ValueError(f"class_weights has {entries} for {classes}: give one per class")

    def _weights(self, prediction: Tensor) -> Tensor | None:
        if isinstance(self.class_weights, str):
            raise ValueError(
                f"class_weights is {self.class_weights!r}, which needs the labels of a data set: give the weights as "
                "numbers, or call for_data of the experiment first"
            )
        return None if self.class_weights is None else constant(self.class_weights, prediction)
