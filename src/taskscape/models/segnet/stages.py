"""Stages of convolutions, from which every SegNet is built (https://arxiv.org/abs/1511.00561)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from taskscape.models.base import NetworkConfig
from taskscape.models.layers.conv import conv_norm_relu
from taskscape.serialization.ranges import Count

WIDTHS = (64, 128, 256, 512, 512)
"""Channels of each stage, from fine to coarse."""


@dataclass(frozen=True)
class SegnetConfig(NetworkConfig):
    """The settings that all SegNet networks share."""

    widths: tuple[Count, ...] = WIDTHS
    """Channels of each stage; each stage halves the resolution."""


def encoder_channels(widths: Sequence[int], repeat: int = 1) -> list[list[int]]:
    """Return each stage's channels before, between and after its convolutions: [3, 64, 64], …, [512, 512, 512, 512].

    The first two stages have two convolutions, the others three; each is repeated ``repeat`` times. Raises
    ``ValueError`` if there is no stage.
    """
    if not widths:
        raise ValueError(f"network.widths: a SegNet needs at least one stage, such as {WIDTHS}")
    inputs = (3, *widths)
    return [[inputs[i], *[width] * (_convolutions(i) * repeat)] for i, width in enumerate(widths)]


def decoder_channels(widths: Sequence[int], repeat: int = 1) -> list[list[int]]:
    """Return the mirrored stages, from coarse to fine: [512, 512, 512, 512], …, [64, 64, 64]."""
    outputs = (widths[0], *widths)
    return [[width, *[outputs[i]] * (_convolutions(i) * repeat)] for i, width in enumerate(widths)][::-1]


def _convolutions(stage: int) -> int:
    return 2 if stage < 2 else 3


def stage(channels: Sequence[int]) -> nn.Sequential:
    """Return a sequence of conv3×3 + batch norm + ReLU units with these channels before, between and after them."""
    return nn.Sequential(*(conv_norm_relu(inputs, outputs, bias=True) for inputs, outputs in pairwise(channels)))


def stages(channels: Sequence[Sequence[int]]) -> nn.ModuleList:
    """Return one stage per list of channels."""
    return nn.ModuleList(stage(stage_channels) for stage_channels in channels)


def initialize(network: nn.Module, weights: Callable[[Tensor], Tensor]) -> None:
    """Initialize the weights of all convolutions with a function of ``torch.nn.init``, and their biases with zero."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            weights(module.weight)
            assert module.bias is not None  # every convolution of this family has one
            nn.init.zeros_(module.bias)
