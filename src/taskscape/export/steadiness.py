"""Where a network with max-unpooling agrees with itself.

Max-unpooling puts a value where the largest of four was. Where two of them are equal but for rounding, every way to
compute the network puts it into another pixel, and the values around change by far more than rounding. Such pixels say
nothing about a file: they are found by changing the network's weights by a millionth, and left out of the comparison.
"""

import copy
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor, nn

from taskscape.export.formats import Compute
from taskscape.export.parity import BOUND, Masks

ROUNDS = 8
"""How often the weights are changed: each finds half of the pixels, or more, that rounding changes."""
CHANGE = 1e-6
"""By how much, relative; rounding in float32 adds up to about as much."""

_UNPOOL = torch.ops.aten.max_unpool2d.default


def masks_for(
    program: torch.export.ExportedProgram, network: nn.Module, compute_with: Callable[[nn.Module], Compute]
) -> Masks | None:
    """Return which pixels can be compared; None where all can, for networks without unpooling.

    ``compute_with`` returns what a network, such as the changed ones, computes.
    """
    if all(node.target != _UNPOOL for node in program.graph.nodes):
        return None
    own = compute_with(network)

    @cache  # for each file that is compared on the same images
    def masks(image: Tensor) -> list[Tensor]:
        expected = own(image)
        steady = [torch.ones(one.shape[0], *one.shape[-2:], dtype=torch.bool) for one in expected]
        for seed in range(ROUNDS):
            changed = compute_with(_changed(network, seed))(image)
            for mask, one, other in zip(steady, expected, changed, strict=True):
                mask &= _close(one, other)
        return steady

    return masks


def _changed(network: nn.Module, seed: int) -> nn.Module:
    """Return a copy with weights that are larger or smaller by about a millionth."""
    generator = torch.Generator().manual_seed(seed)
    other = copy.deepcopy(network)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(1 + CHANGE * torch.randn(parameter.shape, generator=generator))
    return other


def _close(one: Tensor, other: Tensor) -> Tensor:
    """Return where two maps agree as a file must with its network, (B, H, W)."""
    if not one.is_floating_point():
        return one == other
    return (one - other).abs().amax(1) <= BOUND * one.abs().max()
