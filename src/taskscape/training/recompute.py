"""Activation checkpointing: activations are recomputed in the backward pass, which saves memory and costs time.

Chen et al., Training Deep Nets with Sublinear Memory Cost, 2016, https://arxiv.org/abs/1604.06174.
"""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from taskscape.selfcheck.kinds import BATCH_NORMS, KERNELS

SHARE = 8
"""A segment has at most one in ``SHARE`` of the network's convolutions and linear layers."""


def recompute_activations(network: nn.Module) -> list[str]:
    """Make a network keep only the inputs of its segments during training; return the names of the segments.

    Segments are the largest modules that take and return tensors and have at least two of the network's convolutions
    and linear layers, and at most one in eight. Gradients are the same bit for bit, random numbers are the same, and
    running means count each batch once. Runs the network once, in evaluation mode, on a small image.
    """
    names = {module: name for name, module in network.named_modules()}
    takes_tensors = _called_with_tensors(network)
    max_layers = max(2, _layers(network) // SHARE)
    segments = list(_segments(network, takes_tensors, max_layers))
    for module in segments:
        setattr(module, "forward", _recomputed(module, module.forward))  # noqa: B010
    return [names[module] for module in segments]


def _called_with_tensors(network: nn.Module) -> set[nn.Module]:
    """Return the modules that are called exactly once, with tensors only, and return a tensor."""
    calls: dict[nn.Module, list[bool]] = {}

    def note(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        calls.setdefault(module, []).append(isinstance(output, Tensor) and all(isinstance(x, Tensor) for x in inputs))

    hooks = [module.register_forward_hook(note) for module in network.modules() if module is not network]
    parameter = next(network.parameters())
    training = network.training
    network.eval()
    try:
        with torch.no_grad():
            network.forward(torch.zeros(1, 3, 64, 64, device=parameter.device))
    finally:
        network.train(training)
        for hook in hooks:
            hook.remove()
    return {module for module, outcomes in calls.items() if outcomes == [True]}


def _segments(module: nn.Module, takes_tensors: set[nn.Module], max_layers: int) -> Iterator[nn.Module]:
    for child in module.children():
        if child in takes_tensors and 2 <= _layers(child) <= max_layers:
            yield child
        else:
            yield from _segments(child, takes_tensors, max_layers)


def _layers(module: nn.Module) -> int:
    return sum(isinstance(submodule, KERNELS) for submodule in module.modules())


def _recomputed(module: nn.Module, forward: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def call(*tensors: Tensor) -> Tensor:
        if not (module.training and torch.is_grad_enabled()):
            return forward(*tensors)
        output: Tensor = checkpoint(
            forward, *tensors, use_reentrant=False, context_fn=lambda: (nullcontext(), _WithoutStatistics(module))
        )
        return output

    return call


class _WithoutStatistics:
    """Keeps batch norms from updating their running means, which already include this batch.

    It can be entered again for each backward pass.
    """

    def __init__(self, module: nn.Module) -> None:
        self.norms = [submodule for submodule in module.modules() if isinstance(submodule, BATCH_NORMS)]
        self.saved: list[tuple[float | None, Tensor | None]] = []

    def __enter__(self) -> None:
        self.saved = [(norm.momentum, norm.num_batches_tracked) for norm in self.norms]
        for norm in self.norms:  # their inputs stay: the recomputation must save the same tensors
            norm.momentum, norm.num_batches_tracked = 0.0, None

    def __exit__(self, *_: object) -> None:
        for norm, (momentum, batches) in zip(self.norms, self.saved, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, batches
