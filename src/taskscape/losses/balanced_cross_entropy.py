"""Class-balanced cross-entropy, for boundaries and other rare pixels."""

from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor
from typing_extensions import override

from taskscape.batch import Target
from taskscape.losses.base import Loss, LossTerm, at_least_float32
from taskscape.serialization.ranges import Positive


@dataclass(frozen=True)
class BalancedCrossEntropy(Loss):
    """Binary cross-entropy in which the rare positive and the frequent negative pixels of an image have equal weight.

    With n₁ pixels of value 1 and n₀ of value 0, their weights are n₀ and negative_weight·n₁, as in HED (Xie and Tu,
    ICCV 2015, equation 2, https://arxiv.org/abs/1504.06375). Here the sum is divided by the sum of the weights, so an
    image's loss is (mean over positives + negative_weight · mean over negatives) / (1 + negative_weight), regardless of
    its size. An empty mean is 0. The loss is the mean over the images with valid pixels.
    """

    name: ClassVar[str] = "balanced-cross-entropy"
    suits: ClassVar[tuple[str, ...]] = ("boundaries",)

    negative_weight: Positive = 1.0
    """Total weight of the pixels of value 0 relative to those of value 1: 1 in HED, 1.1 in RCF
    (https://arxiv.org/abs/1612.02103) and BDCN (https://arxiv.org/abs/1902.10903)."""

    @override
    def target_of(self, prediction: Tensor, value: Tensor, valid: Tensor | None = None) -> Target:
        """Return plain values and their mask as a target.

        Raises ``ValueError`` if shapes do not match, and for valid values outside 0..1.
        """
        target = super().target_of(prediction, value, valid)
        labels = target.value[target.valid.unsqueeze(1).expand_as(value)]
        if not ((labels >= 0) & (labels <= 1)).all():
            raise ValueError(
                f"the target has values of {labels.min():g} … {labels.max():g} at valid pixels: boundaries must be "
                "0 … 1; divide labels of 0 and 255 by 255, and mask pixels without a label with valid"
            )
        return target

    @override
    def term(self, prediction: Tensor, target: Target) -> LossTerm:
        """Return the sum over images and the number of images, for (B, 1, H, W) logits and values in 0..1."""
        invalid = ~target.valid.unsqueeze(1)
        logit = at_least_float32(prediction).masked_fill(invalid, 0.0)
        positive = target.value.to(logit.dtype).masked_fill(invalid, 0.0)
        negative = (1 - positive).masked_fill(invalid, 0.0)
        positive_means = _image_means(F.softplus(-logit), positive)  # -log p, and -log(1 - p) below
        negative_means = _image_means(F.softplus(logit), negative)
        image_losses = (positive_means + self.negative_weight * negative_means) / (1 + self.negative_weight)
        return LossTerm(image_losses.sum(), target.valid.any(2).any(1).sum())


def _image_means(x: Tensor, weight: Tensor) -> Tensor:
    """Return each image's weighted mean, (B,); 0 if all weights are 0."""
    return (x * weight).sum((1, 2, 3)) / weight.sum((1, 2, 3)).clamp(min=1e-12)
