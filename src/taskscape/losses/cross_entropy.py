"""Cross-entropy, for classes."""

from dataclasses import dataclass
from typing import ClassVar

from taskscape.losses.weighted_class_loss import WeightedClassLoss


@dataclass(frozen=True)
class CrossEntropy(WeightedClassLoss):
    """Cross-entropy of class scores, (B, C, H, W), and class ids, (B, H, W), in nats.

    With class weights w, the mean is Σ w[y]·loss / Σ w[y] over the valid pixels. With label smoothing s, the label has
    the probability 1 - s, and s is spread evenly over all classes (Szegedy et al., CVPR 2016, section 7,
    https://arxiv.org/abs/1512.00567), each part with the weight of its class, as in ``torch.nn.CrossEntropyLoss``.
    """

    name: ClassVar[str] = "cross-entropy"
    suits: ClassVar[tuple[str, ...]] = ("semseg",)
