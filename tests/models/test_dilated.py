"""Dilated convolutions."""

import pickle

import pytest
import torch
from torch import Tensor, nn

from taskscape.models.layers.dilated import DilatedConv2d, _convolved, quick_dilations


@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(
    ("size", "kernel", "padding", "dilation"),
    [
        ((4, 8), (3, 3), (2, 2), (2, 2)),
        ((4, 8), (3, 3), (9, 9), (9, 9)),
        ((5, 7), (3, 2), (0, 1), (2, 3)),
        ((5, 7), (1, 3), (1, 3), (1, 2)),
    ],
)
def test_gradients_are_those_of_a_convolution(
    size: tuple[int, int],
    kernel: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    order: torch.memory_format,
) -> None:
    torch.manual_seed(0)
    image = torch.randn(2, 3, *size, dtype=torch.float64).contiguous(memory_format=order).requires_grad_()
    weight = torch.randn(5, 3, *kernel, dtype=torch.float64, requires_grad=True)
    expected = nn.functional.conv2d(image, weight, None, 1, padding, dilation)
    found: Tensor = _convolved(image, weight, padding, dilation)
    assert torch.equal(found, expected)
    gradient = torch.randn_like(expected)
    for one, other in zip(
        torch.autograd.grad(found, (image, weight), gradient),
        torch.autograd.grad(expected, (image, weight), gradient),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


def test_second_derivatives() -> None:
    torch.manual_seed(0)
    image = torch.randn(1, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(2, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda *x: _convolved(*x, (2, 2), (2, 2)), (image, weight))


def test_layers_compute_the_same() -> None:
    torch.manual_seed(0)
    plain = nn.Conv2d(8, 4, 3, padding=3, dilation=3, bias=False)
    quick = nn.Sequential(pickle.loads(pickle.dumps(plain)), nn.Conv2d(4, 4, 3))
    quick_dilations(quick)
    assert [type(layer) for layer in quick] == [DilatedConv2d, nn.Conv2d]
    quick = pickle.loads(pickle.dumps(quick))
    image = torch.randn(2, 8, 4, 6)
    for precise in (True, False):
        gradients = []
        for layer in (plain, quick[0]):
            with torch.autocast("cpu", torch.bfloat16, enabled=not precise):
                output = layer(image)
            gradients += torch.autograd.grad(output.float().square().sum(), layer.weight)
            gradients.append(output)
        assert torch.equal(gradients[1], gradients[3])
        if precise:
            assert torch.equal(gradients[0], gradients[2])
        torch.testing.assert_close(gradients[0], gradients[2], rtol=0.02, atol=0.02)
