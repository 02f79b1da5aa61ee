"""Resizing a map to that of another."""

import torch
import torch.nn.functional as F
from torch import Tensor


def resize_like(x: Tensor, reference: Tensor) -> Tensor:
    """Resize a (B, C, h, w) map bilinearly to the height and width of another."""
    resized = F.interpolate(x, size=reference.shape[-2:], mode="bilinear", align_corners=False)
    if resized.requires_grad and resized.device.type == "cpu" and not torch.compiler.is_compiling():
        resized.register_hook(_dense)
    return resized


def _dense(gradient: Tensor) -> Tensor:
    """Return a copy that fills its memory, where the gradient is a part of one with more channels.

    As a concatenation gives it, torch takes ten times as long for the gradient before the resizing.
    """
    if gradient.stride(1) == 1:
        return gradient.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    return gradient.contiguous()
