"""Find the pixels where the outputs of a network with max-unpooling are stable.

Max-unpooling puts a value where the largest of four was. If two of them are equal up to rounding, each implementation
may put it into a different pixel, which changes the surrounding values by much more than rounding. Such pixels say
nothing about the correctness of a file. They are found by changing the network's weights by a millionth, and left out
of the comparison.
"""

import copy
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor, nn

from taskscape.export.formats import Compute
from taskscape.export.parity import BOUND, Masks

ROUNDS = 8
"""Number of random changes of the weights; each finds at least half of the pixels that rounding changes."""
CHANGE = 1e-6
"""Relative size of the changes, about that of accumulated rounding errors in float32."""

_UNPOOL = torch.ops.aten.max_unpool2d.default


def masks_for(
    program: torch.export.ExportedProgram, network: nn.Module, compute_with: Callable[[nn.Module], Compute]
) -> Masks | None:
    """Return masks of the pixels that can be compared, or None for networks without unpooling, where all can.

    ``compute_with`` returns the function that a network computes, such as one with changed weights.
    """
    if all(node.target != _UNPOOL for node in program.graph.nodes):
        return None
    reference = compute_with(network)

    @cache  # several files are compared on the same images
    def masks(image: Tensor) -> list[Tensor]:
        expected = reference(image)
        steady = [torch.ones(value.shape[0], *value.shape[-2:], dtype=torch.bool) for value in expected]
        for seed in range(ROUNDS):
            changed = compute_with(_changed(network, seed))(image)
            for mask, value, changed_value in zip(steady, expected, changed, strict=True):
                mask &= _close(value, changed_value)
        return steady

    return masks


def _changed(network: nn.Module, seed: int) -> nn.Module:
    """Return a copy with weights that are changed by about a millionth."""
    generator = torch.Generator().manual_seed(seed)
    changed = copy.deepcopy(network)
    with torch.no_grad():
        for parameter in changed.parameters():
            parameter.mul_(1 + CHANGE * torch.randn(parameter.shape, generator=generator))
    return changed


def _close(expected: Tensor, actual: Tensor) -> Tensor:
    """Return the (B, H, W) mask of pixels where two maps agree within the bounds for a file."""
    if not expected.is_floating_point():
        return expected == actual
    return (expected - actual).abs().amax(1) <= BOUND * expected.abs().max()
