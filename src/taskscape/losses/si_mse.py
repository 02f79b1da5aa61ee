"""Scale-invariant squared error, for albedo."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from typing_extensions import override

from taskscape.batch import Target
from taskscape.losses.base import Loss, LossTerm, Space, at_least_float32


@dataclass(frozen=True)
class ScaleInvariantMSE(Loss):
    """Squared error up to a factor per image: min over α of the mean of (value - α·prediction)².

    One α serves all channels. The brightness of an image does not distinguish between bright light and bright surfaces.
    Grosse et al., ICCV 2009, section 4 (https://doi.org/10.1109/ICCV.2009.5459428); Barron and Malik, TPAMI 2015
    (https://arxiv.org/abs/2010.03592). The loss is the mean over the images with valid pixels.
    """

    name: ClassVar[str] = "scale-invariant-mse"
    suits: ClassVar[tuple[str, ...]] = ("albedo",)
    space: ClassVar[Space] = "value"

    @override
    def term(self, prediction: Tensor, target: Target) -> LossTerm:
        """Return the sum over images and the number of images, for (B, C, H, W) values."""
        invalid = ~target.valid.unsqueeze(1)
        prediction = at_least_float32(prediction).masked_fill(invalid, 0.0)
        value = target.value.to(prediction.dtype).masked_fill(invalid, 0.0)
        products, squares = ((x * prediction).sum((1, 2, 3), keepdim=True) for x in (value, prediction))
        # At the minimum, the derivative with respect to α is zero, so α needs no gradient.
        scale = (products / squares.clamp(min=1e-12)).detach()
        counts = target.valid.sum((1, 2))
        errors = (value - scale * prediction).square().sum((1, 2, 3)) / (counts.clamp(min=1) * value.shape[1])
        return LossTerm(errors.sum(), (counts > 0).sum())
