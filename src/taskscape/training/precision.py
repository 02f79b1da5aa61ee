"""Numeric precision of a network's computations."""

from typing import Literal

import torch

Precision = Literal["fp32", "bf16"]
"""bf16 computes convolutions and matrix products in bfloat16, and keeps weights and losses in float32."""


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """Return the context in which a network computes at this precision."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")
