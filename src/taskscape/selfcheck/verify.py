"""Checks the operators of a network, once per machine and shape, and applies remedies to wrong ones."""

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import nn

from taskscape.distributed import world_size
from taskscape.progress import ProgressCallback
from taskscape.selfcheck import cache
from taskscape.selfcheck.apply import remedy_layer
from taskscape.selfcheck.check import Verdict, check
from taskscape.selfcheck.findings import Finding
from taskscape.selfcheck.operators import Operator, operators

PIXELS = 2 * 256 * 512
"""On a CPU, convolutions are checked with as many images of the run's batch as have this many pixels, but at least two,
so the check takes seconds. Operators wrong with 8 images were also wrong with 1 and 2 (docs/guide/precision.md)."""


class Shape(NamedTuple):
    """The shape of a kind of batch in a run."""

    images: int
    """Images per batch on this process."""
    size: tuple[int, int]
    """Height and width in pixels."""
    training: bool = True
    """Whether gradients are computed."""


def verify(
    network: nn.Module,
    shapes: Iterable[Shape],
    autocast: Callable[[], torch.autocast],
    *,
    report: ProgressCallback | None = None,
) -> tuple[Finding, ...]:
    """Compare every operator of the network under ``autocast`` with float32, and apply remedies to the network.

    Verdicts come from this machine's cache if it has them; ``report`` is called for the others. All processes apply the
    findings of every process; each must call this function. The network's values and torch's random generators do not
    change. Raises ``ValueError`` if no remedy makes a wrong operator correct.
    """
    needed: dict[str, Operator] = {}
    for shape in shapes:
        for operator in _operators(network, shape, autocast):
            recorded = needed.setdefault(operator.signature, operator)
            recorded.users += [user for user in operator.users if user not in recorded.users]
    device = next(network.parameters()).device
    results = _verdicts(needed, device, autocast, report)
    local_findings = [
        Finding(operator.title, tuple(operator.users), verdict.wrong, verdict.remedy)
        for signature, operator in needed.items()
        if (verdict := results[signature]).wrong
    ]
    findings = _gather_findings(local_findings)
    apply(network, findings)
    return findings


def apply(network: nn.Module, findings: Iterable[Finding]) -> None:
    """Apply the remedies of findings to their layers.

    Raises ``ValueError`` for a finding without a remedy, or with a layer that the network does not have.
    """
    for finding in findings:
        if finding.remedy is None:
            raise ValueError(
                f"this machine computes {finding.operator} ({', '.join(finding.layers)}) wrongly in reduced precision, "
                f"whatever the memory layout: {finding.wrong}; use --precision fp32"
            )
        for name in finding.layers:
            try:
                layer = network.get_submodule(name)
            except AttributeError as error:
                raise ValueError(f"the network has no layer {name}, whose precision was checked") from error
            remedy_layer(layer, finding.remedy)


def _operators(network: nn.Module, shape: Shape, autocast: Callable[[], torch.autocast]) -> list[Operator]:
    parameter = next(network.parameters())
    channels_last = any(p.dim() == 4 and not p.is_contiguous() for p in network.parameters())
    layout = torch.channels_last if channels_last else torch.contiguous_format
    generator = torch.Generator(parameter.device).manual_seed(0)
    size = (shape.images, 3, *shape.size)
    image = torch.rand(size, generator=generator, device=parameter.device).contiguous(memory_format=layout)
    was_training = network.training
    network.train(shape.training)
    try:
        return operators(
            network,
            image,
            autocast,
            gradients=shape.training,
            of_convolutions=max(2, PIXELS // math.prod(shape.size)) if image.device.type == "cpu" else None,
        )
    finally:
        network.train(was_training)


def _verdicts(
    needed: dict[str, Operator],
    device: torch.device,
    autocast: Callable[[], torch.autocast],
    report: ProgressCallback | None,
) -> dict[str, Verdict]:
    """Return the verdicts about operators by signature, from the cache where it has them."""
    results = cache.load(device)
    missing = [signature for signature in needed if signature not in results]
    for num_checked, signature in enumerate(missing, 1):
        results[signature] = check(needed[signature], device, autocast)
        if report is not None:
            report(num_checked, len(missing))
    if missing:
        cache.add(device, {signature: results[signature] for signature in missing})
    return results


def _gather_findings(findings: list[Finding]) -> tuple[Finding, ...]:
    if world_size() == 1:
        return tuple(findings)
    gathered: list[list[Finding]] = [[] for _ in range(world_size())]
    dist.all_gather_object(gathered, findings)
    return tuple(dict.fromkeys(finding for process_findings in gathered for finding in process_findings))
