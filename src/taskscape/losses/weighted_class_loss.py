"""What cross-entropy and losses beside it have in common: class weights, label smoothing, adjusted scores."""

import math
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


@dataclass(frozen=True)
class WeightedClassLoss(ClassLoss):
    """Cross-entropy of class scores, (B, C, H, W), and class ids, (B, H, W), with its settings."""

    class_weights: tuple[float, ...] | ClassWeightRule | None = None
    """A positive weight per class, or the rule by which a run computes them from its training labels
    (``taskscape.losses.class_weights``): median-frequency, inverse-log as in ENet, or effective-number; none weighs all
    alike."""
    label_smoothing: float = 0.0
    """The part of the label, 0 up to but not 1, that is spread over all classes."""

    logit_adjustment: float = 0.0
    """With a, scores + a·log(class weight) are compared with the labels, so that the scores themselves give less to the
    classes that weigh more: from 0 to 1, where 1 undoes what the weights add to the scores, but not what they do for
    the features (after Menon et al., ICLR 2021, https://arxiv.org/abs/2007.07314)."""

    def __post_init__(self) -> None:
        """Check the settings. Raises ``ValueError``."""
        super().__post_init__()
        if not 0 <= self.logit_adjustment <= 1:
            raise ValueError(f"logit_adjustment is {self.logit_adjustment}: it must be from 0 to 1")
        weights = () if isinstance(self.class_weights, str) else self.class_weights or ()
        if not all(0 < weight < math.inf for weight in weights):
            raise ValueError(
                f"class_weights are {self.class_weights}: each must be positive; "
                "a class that should not count is marked invalid in the data"
            )
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing is {self.label_smoothing}: it must be at least 0 and below 1")

    @override
    def for_labels(self, targets: Callable[[], Iterable[Target]], channels: Sequence[str]) -> tuple[Self, list[str]]:
        """Compute the class weights, where they are left to a rule."""
        if not isinstance(self.class_weights, str):
            return self, []
        weights = class_weights(self.class_weights, ClassCounts.of(targets(), len(channels)))
        least, most = (weights.index(weight) for weight in (min(weights), max(weights)))
        return replace(self, class_weights=weights), [
            f"class weights by {self.class_weights}, from {weights[least]:.3g} of {channels[least]} to "
            f"{weights[most]:.3g} of {channels[most]}"
        ]

    @override
    def term(self, prediction: Tensor, target: Target) -> LossTerm:
        """Return Σ of the losses of the pixels that count, and the ``normalizer``."""
        return super().term(self.adjusted(prediction), target)

    def adjusted(self, prediction: Tensor) -> Tensor:
        """Return the scores that are compared with the labels; (B, C, H, W) as they are without adjustment."""
        added = self._added(at_least_float32(prediction[:0]))
        if added is None:
            return prediction
        self._check_count(len(added), prediction.shape[1])
        return at_least_float32(prediction) + added

    def _added(self, prediction: Tensor) -> Tensor | None:
        """Return what is added to scores, (C, 1, 1), in the number format of ``prediction``; None for nothing."""
        weights = self._weights(prediction) if self.logit_adjustment else None
        return None if weights is None else (self.logit_adjustment * weights.log())[:, None, None]

    @override
    def per_pixel(self, prediction: Tensor, value: Tensor) -> Tensor:
        """Return w[y]·loss. Raises ``ValueError`` unless there is one weight per class."""
        weights = self._weights(prediction)
        if weights is not None:
            self._check_count(len(weights), prediction.shape[1])
        return F.cross_entropy(prediction, value, weights, reduction="none", label_smoothing=self.label_smoothing)

    @override
    def normalizer(self, prediction: Tensor, value: Tensor, valid: Tensor) -> Tensor:
        weights = self._weights(prediction)
        if weights is None:
            return super().normalizer(prediction, value, valid)
        return weights[value].masked_fill(~valid, 0.0).sum()

    def _check_count(self, weights: int, classes: int) -> None:
        if weights != classes:
            raise ValueError(f"class_weights has {weights} entries for {classes} classes: give one per class")

    def _weights(self, prediction: Tensor) -> Tensor | None:
        if isinstance(self.class_weights, str):
            raise ValueError(
                f"class_weights is {self.class_weights!r}, which needs the labels of a data set: give the weights as "
                "numbers, or call for_data of the experiment first"
            )
        return None if self.class_weights is None else constant(self.class_weights, prediction)
