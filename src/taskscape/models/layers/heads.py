"""The last layer of each task."""

from collections.abc import Mapping

from torch import nn


def heads(inputs: int, out_channels: Mapping[str, int]) -> nn.ModuleDict:
    """Return a 1×1 convolution per task."""
    return nn.ModuleDict({task: nn.Conv2d(inputs, channels, 1) for task, channels in out_channels.items()})
