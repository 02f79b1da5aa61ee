"""Cross-entropy, for classes."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor
from typing_extensions import override

from taskscape.losses.base import PixelLoss


@dataclass(frozen=True)
class CrossEntropy(PixelLoss):
    """Cross-entropy of class scores, (B, C, H, W), and class ids, (B, H, W), in nats.

    With class weights w the mean is Σ w[y]·loss / Σ w[y] over the valid pixels. With label smoothing
    s the label is worth 1 - s, and s is spread evenly over all classes (Szegedy et al., CVPR 2016, section 7,
    https://arxiv.org/abs/1512.00567), each part with the weight of its class, as ``torch.nn.CrossEntropyLoss`` does.
    """

    name: ClassVar[str] = "cross-entropy"
    suits: ClassVar[tuple[str, ...]] = ("semseg",)

    class_weights: tuple[float, ...] | None = None
    """A positive weight per class; none weighs all alike."""
    label_smoothing: float = 0.0
    """The part of the label, 0 up to but not 1, that is spread over all classes."""

    def __post_init__(self) -> None:
        """Check the settings. Raises ``ValueError``."""
        super().__post_init__()
        if not all(0 < weight < math.inf for weight in self.class_weights or ()):
            raise ValueError(
                f"class_weights are {self.class_weights}: each must be positive; "
                "a class that should not count is marked invalid in the data"
            )
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing is {self.label_smoothing}: it must be at least 0 and below 1")

    @override
    def per_pixel(self, prediction: Tensor, value: Tensor) -> Tensor:
        """Return w[y]·loss. Raises ``ValueError`` unless there is one weight per class."""
        classes = prediction.shape[1]
        if self.class_weights is not None and len(self.class_weights) != classes:
            raise ValueError(
                f"class_weights has {len(self.class_weights)} entries for {classes} classes: give one per class"
            )
        weights = None if self.class_weights is None else prediction.new_tensor(self.class_weights)
        return F.cross_entropy(prediction, value, weights, reduction="none", label_smoothing=self.label_smoothing)

    @override
    def normalizer(self, prediction: Tensor, value: Tensor, valid: Tensor) -> Tensor:
        if self.class_weights is None:
            return super().normalizer(prediction, value, valid)
        return prediction.new_tensor(self.class_weights)[value].masked_fill(~valid, 0.0).sum()
