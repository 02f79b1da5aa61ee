"""Resizing a map to that of another."""

import torch.nn.functional as F
from torch import Tensor


def resize_like(x: Tensor, reference: Tensor) -> Tensor:
    """Resize a (B, C, h, w) map bilinearly to the height and width of another."""
    return F.interpolate(x, size=reference.shape[-2:], mode="bilinear", align_corners=False)
