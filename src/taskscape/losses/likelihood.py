"""Base class of losses for which the network also predicts the width of its errors."""

import math
from abc import abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor
from typing_extensions import override

from taskscape.batch import Target
from taskscape.losses.base import PixelLoss, check_target
from taskscape.serialization.ranges import Fraction

LOG_LIMIT = 6.0
"""Bound on the magnitude of a predicted width's logarithm; widths are from 0.0025 to 403."""
LEAST_WIDTH = math.exp(-LOG_LIMIT)


def width_of(raw: Tensor) -> Tensor:
    """Return the width, (B, H, W), that the last channel x of a prediction encodes: exp(6·tanh(x / 6)).

    It is about exp(x) for small x and bounded for any x, so losses and gradients are always finite.
    """
    return (LOG_LIMIT * (raw[:, -1] / LOG_LIMIT).tanh()).exp()


@dataclass(frozen=True)
class Likelihood(PixelLoss):
    """The negative logarithm of a density of the errors, with a width b that is predicted in an additional channel.

    The loss of a pixel is bᵝ·(-log p + c). The constant c, determined by the smallest width, keeps it nonnegative; bᵝ
    is a weight without a gradient.
    """

    scale_channels: ClassVar[int] = 1

    beta: Fraction = field(default=1.0, kw_only=True)
    """Exponent of the weight. 0 is the plain likelihood (Kendall and Gal, NeurIPS 2017, section 2.2,
    https://arxiv.org/abs/1703.04977), which learns little where the network is unsure; with 1, values are learned as
    with the plain error, independently of the width. Based on β-NLL (Seitzer et al., ICLR 2022,
    https://arxiv.org/abs/2203.09168), which uses squared errors. The optimal width is the same for any exponent."""

    @abstractmethod
    def nll(self, prediction: Tensor, width: Tensor, value: Tensor) -> Tensor:
        """Return -log p of each pixel in nats, (B, H, W).

        ``prediction`` and ``value`` are (B, C, H, W), ``width`` is (B, H, W), positive.
        """

    @property
    @abstractmethod
    def least(self) -> float:
        """The smallest possible value of ``nll``."""

    @override
    def per_pixel(self, prediction: Tensor, value: Tensor) -> Tensor:
        """Return bᵝ·(-log p + c) for a prediction with C + 1 channels and values with C channels."""
        width = width_of(prediction)
        errors = self.nll(prediction[:, :-1], width, value) - self.least
        return errors * width.detach() ** self.beta if self.beta else errors

    @override
    def target_of(self, prediction: Tensor, value: Tensor, valid: Tensor | None = None) -> Target:
        """Return plain values and their mask as a target.

        Raises ``ValueError`` as ``check_target`` does, and for a prediction without the channel of the width.
        """
        if prediction.ndim == 4 and prediction.shape == value.shape:
            raise ValueError(
                f"the prediction and the target are {tuple(value.shape)}: the prediction needs one channel more, its "
                "last, which is the width of the errors"
            )
        values = prediction[:, :-1] if prediction.ndim == 4 else prediction
        return check_target(prediction, value, valid, values.shape)
