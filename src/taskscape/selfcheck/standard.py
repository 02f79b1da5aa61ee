"""Typical layers and functions of networks for dense prediction, for a check without a network."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from taskscape.selfcheck.operators import Operator, operators

SIZE = (32, 64)
"""Height and width of the feature maps: a quarter of 128x256, and an eighth of 256x512."""


class _Pooling(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        pooled, indices = F.max_pool2d_with_indices(x, [2, 2])
        return F.max_unpool2d(pooled, indices, [2, 2])


class _Resizing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(F.interpolate(x, scale_factor=0.5, mode="bilinear", align_corners=False), 2)


class _Attention(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(2).transpose(1, 2).unflatten(2, (4, -1)).transpose(1, 2)
        return F.scaled_dot_product_attention(tokens, tokens, tokens)


class _Tokens(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        normalized: Tensor = self.norm(x.flatten(2).transpose(1, 2))
        return normalized


STANDARD: dict[int, tuple[Callable[[], nn.Module], ...]] = {
    3: (lambda: nn.Conv2d(3, 64, 7, stride=2, padding=3),),
    16: (lambda: _depthwise(16, 2),),
    24: (lambda: _dilated(24, 2),),
    32: (lambda: _depthwise(32, 1),),
    40: (lambda: _dilated(40, 2),),
    64: (
        lambda: nn.Conv2d(64, 64, 3, padding=1),
        lambda: nn.Conv2d(64, 128, 3, stride=2, padding=1),
        lambda: nn.Conv2d(64, 64, 3, padding=2, dilation=2),
        lambda: nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1),
        lambda: nn.BatchNorm2d(64),
        lambda: nn.GroupNorm(8, 64),
        lambda: _Tokens(64),
        _Pooling,
        _Resizing,
        _Attention,
    ),
    96: (
        lambda: nn.Conv2d(96, 96, 3, padding=4, dilation=4, groups=4),
        lambda: nn.Conv2d(96, 96, 3, padding=1, groups=4),
    ),
    200: (lambda: _dilated(200, 2), lambda: nn.Conv2d(200, 200, 1)),
    256: (lambda: _dilated(256, 6),),
    672: (lambda: _depthwise(672, 2),),
}
"""Builders of layers, by number of input channels."""


def standard_operators(device: torch.device, autocast: Callable[[], torch.autocast]) -> list[Operator]:
    """Return the operators of ``STANDARD`` on channels-last feature maps of two images."""
    collected = []
    for channels, builders in STANDARD.items():
        x = torch.zeros(2, channels, *SIZE, device=device).contiguous(memory_format=torch.channels_last)
        x += torch.linspace(0, 1, SIZE[1], device=device)
        if channels > 3:  # the output of another layer, not an image
            with autocast():
                is_reduced = torch.is_autocast_enabled(device.type)
            x = x.to(torch.get_autocast_dtype(device.type) if is_reduced else torch.float32).requires_grad_()
        for build in builders:
            with torch.random.fork_rng([device] if device.type == "cuda" else []):
                module = nn.Sequential(build()).to(device).to(memory_format=torch.channels_last)
            collected += operators(module, x, autocast)
    return collected


def _dilated(channels: int, dilation: int) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation)


def _depthwise(channels: int, dilation: int) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation, groups=channels)
