"""A convolution with a custom weight gradient."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.grad import conv2d_input
from typing_extensions import override


class Geometry(NamedTuple):
    """The arguments of ``torch.nn.functional.conv2d`` other than image, weight and bias."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int


WeightGradient = Callable[[Tensor, Tensor, Tensor, Geometry], Tensor]
"""Computes the weight gradient from image, weight and output gradient."""


class OwnWeightGradient(torch.autograd.Function):
    """A convolution without bias, (B, inputs, H, W) and (outputs, inputs / groups, k, l) to (B, outputs, h, w)."""

    @staticmethod
    @override
    def forward(image: Tensor, weight: Tensor, geometry: Geometry, weight_gradient: WeightGradient) -> Tensor:
        return F.conv2d(image, weight, None, *geometry)

    @staticmethod
    @override
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        image, weight, ctx.geometry, ctx.weight_gradient = inputs
        ctx.save_for_backward(image, weight)

    @staticmethod
    @override
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        (gradient,) = gradients
        image, weight = ctx.saved_tensors
        image_gradient = weight_gradient = None
        if ctx.needs_input_grad[0]:
            image_gradient = conv2d_input(image.shape, weight, gradient, *ctx.geometry)
        if ctx.needs_input_grad[1]:
            weight_gradient = ctx.weight_gradient(image, weight, gradient, ctx.geometry)
        return image_gradient, weight_gradient, None, None
