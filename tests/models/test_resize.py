"""Resizing of maps."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from taskscape.models.layers.resize import resize_like

ORDERS = {"channels first": torch.contiguous_format, "channels last": torch.channels_last}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("channels", [1, 3, 19])
def test_gradients_are_those_of_torch_in_every_order(
    channels: int, align_corners: bool, order: str, dtype: torch.dtype
) -> None:
    generator = torch.Generator().manual_seed(channels)
    x = torch.randn(2, channels, 5, 7, generator=generator).to(dtype).contiguous(memory_format=ORDERS[order])
    gradient = torch.randn(2, channels + 2, 13, 30, generator=generator).to(dtype)

    def gradient_of(resized: Tensor, x: Tensor, gradient: Tensor) -> Tensor:
        return torch.autograd.grad(resized, x, gradient)[0]

    x.requires_grad_()
    for of_more in (gradient, gradient.contiguous(memory_format=torch.channels_last)):
        part = of_more[:, :channels]  # a slice, as of a concatenation
        plain = F.interpolate(x, part.shape[-2:], mode="bilinear", align_corners=align_corners)
        expected = gradient_of(plain, x, part)
        for one in (part, part.contiguous()):
            resized = resize_like(x, part, align_corners=align_corners)
            assert torch.equal(resized, plain) and torch.equal(gradient_of(resized, x, one), expected)


def test_a_map_of_the_size_is_returned_as_it_is() -> None:
    x = torch.randn(1, 2, 5, 7)
    assert resize_like(x, torch.empty(1, 3, 5, 7)) is x
