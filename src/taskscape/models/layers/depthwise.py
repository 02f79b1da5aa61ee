"""Depthwise convolutions under CPU autocast: computed in float32, with a fast weight gradient."""

from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.grad import conv2d_weight

from taskscape.models.layers.own_weight_gradient import Geometry, OwnWeightGradient
from taskscape.selfcheck.apply import changed_class

_SLOW_KERNEL = 5
"""The smallest kernel side for which ``_weight_gradient`` is faster than oneDNN."""
_LARGEST_MAP = 1024
"""The largest output, in pixels, for which ``_weight_gradient`` is faster than oneDNN."""


def depthwise_in_float32(network: nn.Module) -> None:
    """Make a network's depthwise convolutions compute in float32 under CPU autocast; nothing else changes.

    In bfloat16 their gradients take up to eight times as long. Even in float32, the weight gradients of 5×5 kernels on
    small maps take two to six times as long as ``_weight_gradient``.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and 1 < module.groups == module.in_channels:
            conv_type: Any = type(module)
            module.__class__ = _in_float32(conv_type)


@cache
def _in_float32(conv_type: type[nn.Conv2d]) -> type[nn.Conv2d]:
    def forward(self: nn.Conv2d, image: Tensor) -> Tensor:
        if image.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
            return conv_type.forward(self, image)
        with torch.autocast("cpu", enabled=False):
            image = image.to(self.weight.dtype)
            if not _is_slow(self):
                return conv_type.forward(self, image)
            image = _padded(self, image)
            geometry = Geometry(self.stride, (0, 0), self.dilation, self.groups)
            output: Tensor = OwnWeightGradient.apply(image, self.weight, geometry, _weight_gradient)
            return output if self.bias is None else output + self.bias[:, None, None]

    float32_type: type[nn.Conv2d] = changed_class(conv_type, _in_float32_again, forward=forward)
    return float32_type


def _in_float32_again(module: nn.Conv2d) -> nn.Conv2d:
    conv_type: Any = type(module)
    module.__class__ = _in_float32(conv_type)
    return module


def _is_slow(layer: nn.Conv2d) -> bool:
    return (
        torch.get_num_threads() == 1  # oneDNN parallelizes well over several threads
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


def _weight_gradient(image: Tensor, weight: Tensor, gradient: Tensor, geometry: Geometry) -> Tensor:
    """Return the weight gradient, (C, 1, k, l), of a depthwise convolution without padding.

    It is a forward convolution: each channel of the image is convolved with the output gradient, with stride and
    dilation swapped.
    """
    stride, _, dilation, channels = geometry
    (batch, _, *size), (_, _, *kernel) = image.shape, weight.shape
    if gradient[0, 0].numel() > _LARGEST_MAP:
        weight_gradient: Tensor = conv2d_weight(image, weight.shape, gradient, *geometry)
        return weight_gradient
    flat_image = image.permute(2, 3, 0, 1).reshape(1, *size, batch * channels).permute(0, 3, 1, 2)
    kernels = gradient.reshape(batch * channels, 1, *gradient.shape[2:])
    per_image = F.conv2d(flat_image, kernels, None, dilation, 0, stride, batch * channels)
    return per_image[..., : kernel[0], : kernel[1]].reshape(batch, channels, *kernel).sum(0).unsqueeze(1)
