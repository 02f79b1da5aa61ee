"""Scale-invariant logarithmic error, for depth."""

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from taskscape.batch import Target
from taskscape.losses.base import Loss, at_least_float32
from taskscape.distributed import joined, share, total


@dataclass(frozen=True)
class SILog(Loss):
    """sqrt(Var(ε) + gamma·E[ε]² + eps), ε = log(true metres) - log(predicted metres) over the valid pixels.

    After Eigen et al., NeurIPS 2014, equation 4, whose λ is 1 - gamma; the square root as in Lee et al.,
    arXiv:1907.10326.
    """

    name: ClassVar[str] = "si-log"
    in_metres: ClassVar[bool] = True

    gamma: float = 0.15
    """What the common scale counts, from 0, which forgives a wrong scale, to 1, the root mean square of the errors."""
    eps: float = 1e-5
    """Metres below which depths are clamped, and what keeps the square root's slope finite at a perfect fit."""
    per_image: bool = True
    """Variance and mean per image, then the mean over the images that have valid pixels; else over the whole batch."""

    def __post_init__(self) -> None:
        """Check the settings. Raises ``ValueError``."""
        if not 0 <= self.gamma <= 1:
            raise ValueError(f"gamma is {self.gamma}: it must be from 0 to 1")
        if not 0 < self.eps < math.inf:
            raise ValueError(f"eps is {self.eps}: it must be positive, such as 1e-5")

    def __call__(self, prediction: Tensor, target: Target) -> Tensor:
        """Return the scalar loss of (B, 1, H, W) metres."""
        valid = target.valid
        prediction = at_least_float32(prediction)
        error = self._log(target.value.to(prediction.dtype), valid) - self._log(prediction, valid)
        if self.per_image:
            pixels = valid.sum((1, 2)).clamp(min=1)
            mean = error.sum((1, 2)) / pixels
            variance = self._squares(error - mean[:, None, None], valid).sum((1, 2)) / pixels
            spread = joined((variance + self.gamma * mean.square()).sum()) / total(valid.any(2).any(1).sum())
        else:
            pixels = total(valid.sum())
            mean = joined(error.sum()) / pixels
            # A variance does not change with its centre to first order, summed over all processes; on one process
            # alone it would, so the centre stays out of the gradient.
            variance = joined(self._squares(error - mean.detach(), valid).sum()) / pixels
            spread = variance + self.gamma * mean.square()
        return share((spread + self.eps).sqrt())

    def _log(self, metres: Tensor, valid: Tensor) -> Tensor:
        """Return the logarithm, (B, H, W), and 0 where it is not valid."""
        return metres.squeeze(1).masked_fill(~valid, 1.0).clamp(min=self.eps).log()

    @staticmethod
    def _squares(deviation: Tensor, valid: Tensor) -> Tensor:
        return deviation.masked_fill(~valid, 0.0).square()
