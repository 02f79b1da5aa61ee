"""Weights of classes from their frequencies, by rules that have names in the literature."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from taskscape.batch import Target

ClassWeightRule = Literal["median-frequency", "inverse-log", "effective-number"]
"""``median_frequency``, ``inverse_log`` and ``effective_number``."""

_ENET_OFFSET = 1.02
_BETA = 0.999


@dataclass(frozen=True)
class ClassCounts:
    """How often each class occurs in a split: (classes,) float64 each."""

    pixels: Tensor
    """Pixels of the class."""
    images: Tensor
    """Images that have the class."""
    pixels_of_images: Tensor
    """Pixels with a label, of any class, in these images."""

    @classmethod
    def of(cls, targets: Iterable[Target], classes: int) -> "ClassCounts":
        """Count class ids, (B, H, W) each, below ``classes``."""
        counts = torch.zeros(3, classes, dtype=torch.float64)
        for target in targets:
            for value, valid in zip(target.value, target.valid, strict=True):
                pixels = torch.bincount(value[valid].cpu(), minlength=classes)
                counts += torch.stack([pixels, pixels > 0, (pixels > 0) * pixels.sum()])
        return cls(*counts)


def class_weights(rule: ClassWeightRule, counts: ClassCounts) -> tuple[float, ...]:
    """Return a positive weight per class. Raises ``ValueError`` where no pixel has a label."""
    if not counts.pixels.any():
        raise ValueError("no training image has a label, so class weights cannot be computed: give them as numbers")
    return tuple(float(f"{weight:.6g}") for weight in RULES[rule](counts).tolist())


def median_frequency(counts: ClassCounts) -> Tensor:
    """Median frequency balancing: w = median(f) / f (Eigen and Fergus, ICCV 2015, https://arxiv.org/abs/1411.4734).

    f is the class's part of the labeled pixels of the images that have it; the median is that over the classes that
    occur. A class that does not occur has the weight 1.
    """
    occurs = counts.images > 0
    frequency = counts.pixels / counts.pixels_of_images.clamp(min=1)
    median = torch.quantile(frequency[occurs], 0.5)  # the mean of the two in the middle, where there are two
    return torch.where(occurs, median / frequency.where(occurs, median), 1.0)


def inverse_log(counts: ClassCounts) -> Tensor:
    """ENet's weights: w = 1 / ln(1.02 + p) (Paszke et al., 2016, https://arxiv.org/abs/1606.02147).

    p is the class's part of all labeled pixels. The weights are from 1.4, for a class that is everywhere, to 50.5, for
    one that does not occur.
    """
    return 1 / (_ENET_OFFSET + counts.pixels / counts.pixels.sum()).log()


def effective_number(counts: ClassCounts) -> Tensor:
    """Weights by the effective number of samples: w ∝ (1 - β) / (1 - βⁿ), with a mean of 1 over the classes that occur
    (Cui et al., CVPR 2019, https://arxiv.org/abs/1901.05555).

    n is the number of images that have the class, since the pixels of one object are no samples of their own; β is
    0.999. A class that does not occur has the weight 1.
    """
    occurs = counts.images > 0
    weights = (1 - _BETA) / (1 - _BETA ** counts.images.where(occurs, 1.0))
    return torch.where(occurs, weights / weights[occurs].mean(), 1.0)


RULES: dict[ClassWeightRule, Callable[[ClassCounts], Tensor]] = dict(
    zip(get_args(ClassWeightRule), (median_frequency, inverse_log, effective_number), strict=True)
)
"""The rules by name."""
