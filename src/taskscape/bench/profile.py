"""How the time of a step is spent, as profiled by torch."""

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch.profiler import ProfilerActivity, profile, record_function

from taskscape.batch import Batch
from taskscape.training.step import PARTS, TrainingStep

KINDS: Mapping[str, str] = {
    "convolutions": r"conv",
    "normalization": r"norm",
    "copies and conversions": r"copy_|_to_copy|contiguous|clone",
    "activations": r"relu|threshold|gelu|silu|elu|sigmoid|hardtanh|hardswish|softmax|clamp",
    "resizing and pooling": r"upsample|pool|grid_sampl|_pad",
    "matrix products and attention": r"addmm|\bmm\b|bmm|matmul|linear|attention|einsum",
    "concatenation": r"\bcat\b|stack|slice|split",
    "sums and products": r"\b(add|mul|sub|div|sum|mean|rsub|pow|sqrt|addcmul|addcdiv|lerp|neg|abs)_?\b|_foreach|norm",
}
"""Kinds of torch operators, with patterns for their names; the first match counts."""
OTHER = "everything else"
STEPS = 3
"""Number of profiled steps, after one warm-up step."""


class Profile(NamedTuple):
    """Fractions of the time of a step, largest first; each dict sums to 1."""

    parts: dict[str, float]
    """Forward pass, losses, backward passes with the computations of the weighting, optimizer, and the rest."""
    kinds: dict[str, float]
    """Kinds of operators, as in ``KINDS``."""


def profiled(step: TrainingStep, batch: Batch) -> Profile:
    """Profile some steps on one batch; they train the network."""
    device = batch.image.device
    step(batch, 0)
    on_gpu = device.type == "cuda"
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if on_gpu else [])
    step_name = "step"
    with profile(activities=activities) as profiler:
        for index in range(STEPS):
            with record_function(step_name):
                step(batch, index)
                if on_gpu:
                    torch.cuda.synchronize(device)
    events = {event.key: event for event in profiler.key_averages()}

    def total(event: object) -> float:
        return float(getattr(event, "device_time_total" if on_gpu else "cpu_time_total"))

    parts = {part: total(events[part]) for part in PARTS if part in events}
    step_time = total(events[step_name])
    parts["data of the step, checks and clipping"] = max(step_time - sum(parts.values()), 0.0)
    kinds: defaultdict[str, float] = defaultdict(float)
    for name, event in events.items():
        if name not in (*PARTS, step_name):
            kinds[kind_of(name)] += float(event.self_device_time_total if on_gpu else event.self_cpu_time_total)
    return Profile(_shares(parts), _shares(kinds))


def kind_of(operator: str) -> str:
    """Return the kind of a torch operator, such as ``convolutions`` for ``aten::mkldnn_convolution``."""
    return next((kind for kind, pattern in KINDS.items() if re.search(pattern, operator, re.IGNORECASE)), OTHER)


def _shares(times: Mapping[str, float]) -> dict[str, float]:
    total = sum(times.values()) or 1.0
    return {name: time / total for name, time in sorted(times.items(), key=lambda item: -item[1])}
