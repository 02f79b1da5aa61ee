"""Depthwise convolutions in float32 on a CPU, where their gradients take up to eight times as long in bfloat16."""

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn


def depthwise_in_float32(network: nn.Module) -> None:
    """Let the depthwise convolutions of a network compute in float32 under autocast on a CPU; nothing else changes."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and 1 < module.groups == module.in_channels:
            kind: Any = type(module)
            module.__class__ = _in_float32(kind)


@cache
def _in_float32(kind: type[nn.Conv2d]) -> type[nn.Conv2d]:
    def forward(self: nn.Conv2d, image: Tensor) -> Tensor:
        if image.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
            return kind.forward(self, image)
        with torch.autocast("cpu", enabled=False):
            return kind.forward(self, image.to(self.weight.dtype))

    return type(kind.__name__, (kind,), {"forward": forward, "__module__": kind.__module__})
