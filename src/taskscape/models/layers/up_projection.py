"""Deeper Depth Prediction with Fully Convolutional Residual Networks (Laina et al., 3DV 2016).

https://arxiv.org/abs/1606.00373, section 3.2
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Phases = Literal["interleaved", "shuffled"]
"""How the four maps of an up-projection fill the doubled grid."""


class UpProjection(nn.Module):
    """The fast up-convolution, without the residual branch of the paper.

    ``"interleaved"`` puts each of four convolutions into one phase of the doubled grid; together they equal one 5×5
    convolution of the map with zeros inserted between its pixels. ``"shuffled"`` is the concatenation followed by
    ``PixelShuffle`` of the published DeepLabV3+ ladder: it fills each 2×2 cell with four channels of one convolution.
    """

    def __init__(self, inputs: int, outputs: int, phases: Phases = "interleaved") -> None:
        super().__init__()
        self.phases = phases
        self.even_even = _convolution_and_norm(inputs, outputs, (3, 3))
        self.odd_even = _convolution_and_norm(inputs, outputs, (2, 3))
        self.even_odd = _convolution_and_norm(inputs, outputs, (3, 2))
        self.odd_odd = _convolution_and_norm(inputs, outputs, (2, 2))

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, outputs, 2h, 2w) for (B, inputs, h, w)."""
        maps = [
            self.even_even(F.pad(x, (1, 1, 1, 1))),  # even rows, even columns
            self.odd_even(F.pad(x, (1, 1, 0, 1))),
            self.even_odd(F.pad(x, (0, 1, 1, 1))),
            self.odd_odd(F.pad(x, (0, 1, 0, 1))),
        ]
        if maps[0].device.type == "cpu" and maps[0].dtype.itemsize >= 4:
            # The norms sum their gradients in memory order, so the code below would change their last bits.
            return _doubled(maps, self.phases).relu()
        # A ReLU per map gives its norm a dense gradient; a slice of the gradient of all four is many times slower.
        maps = [F.relu(phase_map, inplace=True) for phase_map in maps]
        return (_doubled_channels_last if maps[0].stride(1) == 1 else _doubled)(maps, self.phases)


def _convolution_and_norm(inputs: int, outputs: int, kernel: tuple[int, int]) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel), nn.BatchNorm2d(outputs))


def _doubled(maps: list[Tensor], phases: Phases) -> Tensor:
    """Return (B, C, 2h, 2w) for the (B, C, h, w) maps of an up-projection."""
    if phases == "shuffled":
        return F.pixel_shuffle(torch.cat(maps, 1), 2)
    even_even, odd_even, even_odd, odd_odd = maps
    return F.pixel_shuffle(torch.stack([even_even, even_odd, odd_even, odd_odd], 2).flatten(1, 2), 2)


def _doubled_channels_last(maps: list[Tensor], phases: Phases) -> Tensor:
    """Compute ``_doubled`` in channels-last format, which torch's pixel shuffle preserves only on a CPU."""
    channels_last = [phase_map.permute(0, 2, 3, 1) for phase_map in maps]
    if phases == "interleaved":
        cells = torch.stack(channels_last, 3).unflatten(3, (2, 2)).transpose(3, 4)
    elif maps[0].device.type == "cpu":
        # On a CPU, the gradient of unbind, a stack, takes half the time of that of a pixel shuffle, and is dense.
        phases_of_maps = zip(*(nhwc.unflatten(3, (-1, 4)).unbind(4) for nhwc in channels_last), strict=True)
        cells = torch.stack([x for phase in phases_of_maps for x in phase], 3).unflatten(3, (2, 2, 4)).flatten(5)
    else:
        cells = torch.cat(channels_last, 3).unflatten(3, (-1, 2, 2)).movedim(3, 5)
    doubled: Tensor = cells.transpose(2, 3).flatten(3, 4).flatten(1, 2)  # from (B, h, w, 2, 2, C)
    return doubled.permute(0, 3, 1, 2)
