"""The last layers of a task in every SegNet (https://arxiv.org/abs/1511.00561)."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from taskscape.models.layers.meta import without_autocast


class Head(nn.Sequential):
    """A 3×3 and a 1×1 convolution with nothing in between, computed as the equivalent single 3×3 convolution.

    The result is equal up to rounding. With few output channels this needs a fraction of the operations, and no
    intermediate map is stored.
    """

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__(nn.Conv2d(inputs, inputs, 3, padding=1), nn.Conv2d(inputs, channels, 1))

    @override
    def forward(self, x: Tensor) -> Tensor:
        """Return (B, channels, h, w) for (B, inputs, h, w)."""
        spatial: Any
        mixing: Any
        spatial, mixing = self
        with without_autocast(x):  # multiply the weights in the precision in which they are stored
            mix = mixing.weight.flatten(1)
            weight = torch.einsum("om,mikl->oikl", mix, spatial.weight)
            bias = mix @ spatial.bias + mixing.bias
        return F.conv2d(x, weight, bias, padding=1)
