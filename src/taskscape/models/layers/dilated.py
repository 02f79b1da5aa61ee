"""Dilated convolutions of small maps in bf16 on a CPU, with a fast weight gradient."""

from itertools import product

import torch
from torch import Tensor, nn
from typing_extensions import override

from taskscape.models.layers.own_weight_gradient import Geometry, OwnWeightGradient

_LARGEST_MAP = 256
"""The largest map, in pixels, for which ``_weight_gradient`` is faster than oneDNN, with several threads too."""


def quick_dilations(network: nn.Module) -> None:
    """Turn the dilated convolutions of a network into ``DilatedConv2d``, in place."""
    for module in network.modules():
        if type(module) is nn.Conv2d and max(module.dilation) > 1:
            module.__class__ = DilatedConv2d


class DilatedConv2d(nn.Conv2d):
    """A convolution whose weight gradient in bf16 on a CPU takes a fraction of the time.

    oneDNN reorders the weights in memory and back, and computes the contributions of rows and columns outside a small
    map, which are zero. The weight gradient is equal up to rounding; outputs and all other gradients are bit-identical.
    """

    @override
    def forward(self, image: Tensor) -> Tensor:
        """Return (B, outputs, h, w) for (B, inputs, H, W)."""
        if not self._is_slow(image):
            return super().forward(image)
        assert not isinstance(self.padding, str)
        return _convolved(image.bfloat16(), self.weight.bfloat16(), self.padding, self.dilation)

    def _is_slow(self, image: Tensor) -> bool:
        number_format = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else self.weight.dtype
        return (
            image.device.type == "cpu"
            and number_format is torch.bfloat16
            and not torch.compiler.is_compiling()
            and torch.is_grad_enabled()
            and self.weight.requires_grad
            and image.shape[-2:].numel() <= _LARGEST_MAP
            and self.bias is None
            and (self.stride, self.groups, self.padding_mode) == ((1, 1), 1, "zeros")
            and not isinstance(self.padding, str)
        )


def _convolved(image: Tensor, weight: Tensor, padding: tuple[int, ...], dilation: tuple[int, ...]) -> Tensor:
    result: Tensor = OwnWeightGradient.apply(image, weight, Geometry((1, 1), padding, dilation, 1), _weight_gradient)
    return result


def _weight_gradient(image: Tensor, weight: Tensor, gradient: Tensor, geometry: Geometry) -> Tensor:
    """Return the weight gradient, (outputs, inputs, k, l), of a convolution with stride 1 and one group.

    The gradient of each of its k×l taps is one matrix product over the pixels that the tap reads.
    """
    outputs, inputs, *kernel = weight.shape
    image, gradient = image.permute(0, 2, 3, 1), gradient.permute(0, 2, 3, 1)
    taps = gradient.new_zeros(outputs, *kernel, inputs)
    spans = [
        [_overlap(gradient.shape[axis], image.shape[axis], tap * step - pad) for tap in range(taps.shape[axis])]
        for axis, step, pad in zip((1, 2), geometry.dilation, geometry.padding, strict=True)
    ]
    for row, column in product(*map(range, kernel)):
        (y, from_y), (x, from_x) = spans[0][row], spans[1][column]
        tap_gradient = gradient[:, y, x].reshape(-1, outputs).t() @ image[:, from_y, from_x].reshape(-1, inputs)
        taps[:, row, column] = tap_gradient
    return taps.permute(0, 3, 1, 2)


def _overlap(length: int, source: int, shift: int) -> tuple[slice, slice]:
    """Return the slice of ``length`` output pixels whose tap is inside ``source`` pixels, and the slice that it reads.

    Both may be empty.
    """
    first = max(0, -shift)
    last = max(first, min(length, source - shift))
    return slice(first, last), slice(first + shift, last + shift)
