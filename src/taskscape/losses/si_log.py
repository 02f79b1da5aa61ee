"""Scale-invariant logarithmic error, for depth."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from taskscape.batch import Target
from taskscape.losses.base import Loss, LossTerm, Space, at_least_float32
from taskscape.serialization.ranges import Fraction, Positive


@dataclass(frozen=True)
class SILog(Loss):
    """Scale-invariant logarithmic error: sqrt(Var(ε) + gamma·E[ε]² + eps) over the valid pixels.

    ε is log(true meters) - log(predicted meters). Based on Eigen et al., NeurIPS 2014, equation 4, where λ is 1 - gamma
    (https://arxiv.org/abs/1406.2283), with the square root of Lee et al., 2019 (https://arxiv.org/abs/1907.10326).
    """

    name: ClassVar[str] = "si-log"
    suits: ClassVar[tuple[str, ...]] = ("depth",)
    space: ClassVar[Space] = "value"

    gamma: Fraction = 0.15
    """Weight of the squared mean log error: 0 is fully scale-invariant, 1 the root mean square of the log errors."""
    eps: Positive = 1e-5
    """Smallest depth in meters, to which depths are clamped; also keeps the square root's slope finite at a perfect
    fit."""
    per_image: bool = True
    """Compute variance and mean per image and average over the images with valid pixels; otherwise compute them over
    the whole batch."""

    @override
    def target_of(self, prediction: Tensor, value: Tensor, valid: Tensor | None = None) -> Target:
        """Return plain values and their mask as a target.

        Raises ``ValueError`` if shapes do not match, and for valid depths that are not above 0.
        """
        target = super().target_of(prediction, value, valid)
        if prediction.shape[1] != 1:
            raise ValueError(f"the prediction has {prediction.shape[1]} channels, but depth has one: (B, 1, H, W)")
        if (~(target.value.squeeze(1) > 0) & target.valid).any():
            raise ValueError(
                "the target has depths that are not above 0 at valid pixels: mask pixels without a depth, such as with "
                "valid=meters[:, 0] > 0"
            )
        return target

    @override
    def term(self, prediction: Tensor, target: Target) -> LossTerm:
        """Return the sum of Var(ε) + gamma·E[ε]² over the images, and the number of images with valid pixels.

        Without ``per_image``, return (Σε, Σε²) over the valid pixels, and their number. ``prediction`` is (B, 1, H, W)
        in meters.
        """
        valid, invalid = target.valid, ~target.valid
        prediction = at_least_float32(prediction)
        error = self._log(target.value.to(prediction.dtype), invalid) - self._log(prediction, invalid)
        if not self.per_image:
            return LossTerm(torch.stack([error.sum(), error.square().sum()]), valid.sum())
        counts = valid.sum((1, 2))
        pixels = counts.clamp(min=1)
        mean = error.sum((1, 2)) / pixels
        squares = (error - mean[:, None, None]).masked_fill(invalid, 0.0).square()
        variance = squares.sum((1, 2)) / pixels
        return LossTerm((variance + self.gamma * mean.square()).sum(), (counts > 0).sum())

    @override
    def finish(self, mean: Tensor) -> Tensor:
        if not self.per_image:
            mean_error, mean_square = mean.unbind()
            # If the scale is far off, the difference loses up to 1e-7 of E[ε]² to cancellation: values below 0 are
            # rounding errors.
            mean = (mean_square - mean_error.square()).clamp(min=0) + self.gamma * mean_error.square()
        return (mean + self.eps).sqrt()

    def _log(self, meters: Tensor, invalid: Tensor) -> Tensor:
        """Return the logarithm, (B, H, W), with 0 at invalid pixels."""
        return meters.squeeze(1).masked_fill(invalid, 1.0).clamp(min=self.eps).log()
