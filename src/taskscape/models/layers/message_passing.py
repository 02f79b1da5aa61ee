"""PAD-Net: Multi-Tasks Guided Prediction-and-Distillation Network (Xu et al., CVPR 2018).

https://arxiv.org/abs/1805.04409
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn


class GatedConvolution(nn.Module):
    """A message between tasks, weighted by a gate at every pixel: conv3×3(x) · σ(conv3×3(x))."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.message = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.gate = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        nn.init.zeros_(self.gate.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, outputs, h, w) for (B, inputs, h, w)."""
        message: Tensor = self.message(x) * self.gate(x).sigmoid()
        return message


class MessagePassing(nn.Module):
    """Sums the gated features of the other tasks for one receiving task."""

    def __init__(self, channels: int, senders: Sequence[str]) -> None:
        super().__init__()
        self.senders = nn.ModuleDict({task: GatedConvolution(channels, channels) for task in senders})

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        """Return (B, channels, h, w) for the (B, channels, h, w) features of each task."""
        return torch.stack([gated(features[task]) for task, gated in self.senders.items()]).sum(0)


def message_passing(channels: int, tasks: Sequence[str]) -> nn.ModuleDict:
    """Return a ``MessagePassing`` module per task that receives the messages of all other tasks."""
    return nn.ModuleDict(
        {task: MessagePassing(channels, [sender for sender in tasks if sender != task]) for task in tasks}
    )
