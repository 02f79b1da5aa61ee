"""Depthwise convolutions under autocast on a CPU: in float32, and with a gradient of their weights that is fast."""

from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.grad import conv2d_weight

from taskscape.models.layers.own_weight_gradient import Geometry, OwnWeightGradient
from taskscape.selfcheck.apply import changed_class

_SLOW_KERNEL = 5
"""From which side of a kernel on ``_of_weight`` is faster than what oneDNN does,"""
_LARGEST_MAP = 1024
"""up to this many pixels of the output."""


def depthwise_in_float32(network: nn.Module) -> None:
    """Let the depthwise convolutions of a network compute in float32 under autocast on a CPU; nothing else changes.

    In bfloat16 their gradients take up to eight times as long, and in float32 those of the weights of 5×5 kernels on
    small maps still two to six times as long as ``_of_weight``.
    """
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
            image = image.to(self.weight.dtype)
            if not _is_slow(self):
                return kind.forward(self, image)
            image = _padded(self, image)
            geometry = Geometry(self.stride, (0, 0), self.dilation, self.groups)
            result: Tensor = OwnWeightGradient.apply(image, self.weight, geometry, _of_weight)
            return result if self.bias is None else result + self.bias[:, None, None]

    changed: type[nn.Conv2d] = changed_class(kind, _in_float32_again, forward=forward)
    return changed


def _in_float32_again(module: nn.Conv2d) -> nn.Conv2d:
    kind: Any = type(module)
    module.__class__ = _in_float32(kind)
    return module


def _is_slow(layer: nn.Conv2d) -> bool:
    return (
        torch.get_num_threads() == 1  # several share oneDNN's work as well
        and torch.is_grad_enabled()
        and layer.weight.requires_grad
        and min(layer.kernel_size) >= _SLOW_KERNEL
        and layer.out_channels == layer.in_channels
        and layer.padding_mode == "zeros"
        and not isinstance(layer.padding, str)
    )


def _padded(layer: nn.Conv2d, image: Tensor) -> Tensor:
    from timm.layers.conv2d_same import Conv2dSame
    from timm.layers.padding import pad_same

    if isinstance(layer, Conv2dSame):
        padded: Tensor = pad_same(image, list(layer.kernel_size), list(layer.stride), list(layer.dilation))
        return padded
    rows, columns = (int(pixels) for pixels in layer.padding)
    return F.pad(image, (columns, columns, rows, rows))


def _of_weight(image: Tensor, weight: Tensor, gradient: Tensor, geometry: Geometry) -> Tensor:
    """Return the gradient of the weights, (C, 1, k, l), of a depthwise convolution without padding.

    It is a forward convolution of the image, each of its channels by the gradient of the output, with stride and
    dilation exchanged.
    """
    stride, _, dilation, channels = geometry
    (batch, _, *size), (_, _, *kernel) = image.shape, weight.shape
    if gradient[0, 0].numel() > _LARGEST_MAP:
        of_weight: Tensor = conv2d_weight(image, weight.shape, gradient, *geometry)
        return of_weight
    apart = image.permute(2, 3, 0, 1).reshape(1, *size, batch * channels).permute(0, 3, 1, 2)
    kernels = gradient.reshape(batch * channels, 1, *gradient.shape[2:])
    of_each = F.conv2d(apart, kernels, None, dilation, 0, stride, batch * channels)
    return of_each[..., : kernel[0], : kernel[1]].reshape(batch, channels, *kernel).sum(0).unsqueeze(1)
