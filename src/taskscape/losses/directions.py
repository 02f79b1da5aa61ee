"""Base class of the losses that compare directions."""

from typing import ClassVar

from torch import Tensor
from typing_extensions import override

from taskscape.batch import Target
from taskscape.losses.base import PixelLoss


class DirectionLoss(PixelLoss):
    """Compares directions, (B, 3, H, W), which need not have unit length."""

    suits: ClassVar[tuple[str, ...]] = ("normals",)

    @override
    def target_of(self, prediction: Tensor, value: Tensor, valid: Tensor | None = None) -> Target:
        """Return plain values and their mask as a target.

        Raises ``ValueError`` like other losses, and for vectors of length 0 at valid pixels, often marks of no label.
        """
        target = super().target_of(prediction, value, valid)
        if (~target.value.any(1) & target.valid).any():
            raise ValueError(
                "the target has vectors of length 0 at valid pixels: mask pixels without a direction, such as with "
                "valid=normals.any(1)"
            )
        return target
