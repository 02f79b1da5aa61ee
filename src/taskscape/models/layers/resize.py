"""Resizing a map to that of another."""

import torch
import torch.nn.functional as F
from torch import Tensor

_FEW = 4
"""Up to so many channels the gradient takes as long in either order in memory."""


def resize_like(x: Tensor, reference: Tensor, *, align_corners: bool = False) -> Tensor:
    """Resize a (B, C, h, w) map bilinearly to the height and width of another; return it as it is where it fits."""
    if not torch.compiler.is_exporting() and x.shape[-2:] == reference.shape[-2:]:  # an export may be for any size
        return x
    resized = F.interpolate(x, size=reference.shape[-2:], mode="bilinear", align_corners=align_corners)
    if resized.requires_grad and resized.device.type == "cpu" and not torch.compiler.is_compiling():
        # Not in float32: the gradient of a bias before the resizing is summed in the order in memory.
        quick = x.stride(1) == 1 and x.shape[1] > _FEW and x.dtype.itemsize < 4
        resized.register_hook(_channels_last if quick else _dense)
    return resized


def _channels_last(gradient: Tensor) -> Tensor:
    """Return the gradient in the order of the map: as a loss gives it, with channels first, torch takes ten times as
    long for the gradient before the resizing, which is the same bit for bit.
    """
    return gradient.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)


def _dense(gradient: Tensor) -> Tensor:
    """Return a copy that fills its memory, where the gradient is a part of one with more channels.

    As a concatenation gives it, torch takes ten times as long for the gradient before the resizing.
    """
    return _channels_last(gradient) if gradient.stride(1) == 1 else gradient.contiguous()
