"""A check that keeps values that are not finite from being saved."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from taskscape.devices import with_float64
from taskscape.errors import TrainingError

REMEDY = "Try a lower --optimizer.lr, --gradient-clip 1, --schedule.warmup 1, or --precision fp32 if it is another"
"""Advice for a run with values that are not finite."""


def check_finite(parts: Mapping[str, Mapping[str, object]]) -> None:
    """Raise ``TrainingError`` that names the first tensor with a NaN or an infinity, by its part and its name.

    Costs one pass over the tensors and, on a GPU, one synchronization.
    """
    tensors = {
        f"{part} {name}": value
        for part, values in parts.items()
        for name, value in values.items()
        if isinstance(value, Tensor) and value.is_floating_point()
    }
    if not tensors:
        return
    device = with_float64(next(iter(tensors.values())).device)
    # A sum takes one fast pass, and is not finite if a number is not. If the sum only overflowed, the numbers decide.
    sums = torch.stack([tensor.detach().sum().to(device, torch.float64) for tensor in tensors.values()])
    for (name, tensor), total in zip(tensors.items(), sums.tolist(), strict=True):
        if not math.isfinite(total) and not tensor.isfinite().all():
            raise TrainingError(
                f"{name} is not finite (NaN or infinite); it was not saved, and files saved before were not changed. "
                f"{REMEDY}"
            )
