"""Class weights computed from class frequencies by published rules."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from taskscape.batch import Target

ClassWeightRule = Literal["median-frequency", "inverse-log", "effective-number"]
"""``median_frequency``, ``inverse_log`` and ``effective_number``."""

_ENET_OFFSET = 1.02
_BETA = 0.999


@dataclass(frozen=True)
class ClassCounts:
    """The frequencies of the classes in a split, (classes,) float64 each."""

    pixels: Tensor
    """Number of pixels of the class."""
    images: Tensor
    """Number of images that contain the class."""
    pixels_of_images: Tensor
    """Number of labeled pixels, of any class, in these images."""

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
    """Return a positive weight per class. Raises ``ValueError`` if no pixel has a label."""
    if not counts.pixels.any():
        raise ValueError("no training image has a label, so class weights cannot be computed: give them as numbers")
    return tuple(float(f"{weight:.6g}") for weight in _RULES[rule](counts).tolist())


def median_frequency(counts: ClassCounts) -> Tensor:
    """Median frequency balancing: w = median(f) / f (Eigen and Fergus, ICCV 2015, https://arxiv.org/abs/1411.4734).

    f is the class's fraction of the labeled pixels in the images that contain it; the median is taken over the classes
    that occur. A class that does not occur has the weight 1.
    """
    occurs = counts.images > 0
    frequency = counts.pixels / counts.pixels_of_images.clamp(min=1)
    median = torch.quantile(frequency[occurs], 0.5)  # for an even number, the mean of the middle two
    return torch.where(occurs, median / frequency.where(occurs, median), 1.0)


def inverse_log(counts: ClassCounts) -> Tensor:
    """ENet's weights: w = 1 / ln(1.02 + p) (Paszke et al., 2016, https://arxiv.org/abs/1606.02147).

    p is the class's fraction of all labeled pixels. The weights range from 1.4, for a class that fills every image, to
    50.5, for one that does not occur.
    """
    return 1 / (_ENET_OFFSET + counts.pixels / counts.pixels.sum()).log()


def effective_number(counts: ClassCounts) -> Tensor:
    """Weights by the effective number of samples: w ∝ (1 - β) / (1 - βⁿ), with a mean of 1 over the classes that occur
    (Cui et al., CVPR 2019, https://arxiv.org/abs/1901.05555).

    n is the number of images that contain the class, since the pixels of an object are not independent samples; β is
    0.999. A class that does not occur has the weight 1.
    """
    occurs = counts.images > 0
    weights = (1 - _BETA) / (1 - _BETA ** counts.images.where(occurs, 1.0))
    return torch.where(occurs, weights / weights[occurs].mean(), 1.0)


_RULES: dict[ClassWeightRule, Callable[[ClassCounts], Tensor]] = {
    "median-frequency": median_frequency,
    "inverse-log": inverse_log,
    "effective-number": effective_number,
}
