"""Resize a map to the size of another."""

import torch
import torch.nn.functional as F
from torch import Tensor

_FEW_CHANNELS = 4
"""Up to this many channels, the gradient takes the same time in either memory format."""


def resize_like(x: Tensor, reference: Tensor, *, align_corners: bool = False) -> Tensor:
    """Resize a (B, C, h, w) map bilinearly to the height and width of another; return it unchanged if it fits."""
    if not torch.compiler.is_exporting() and x.shape[-2:] == reference.shape[-2:]:  # an export may serve any size
        return x
    resized = F.interpolate(x, size=reference.shape[-2:], mode="bilinear", align_corners=align_corners)
    if resized.requires_grad and resized.device.type == "cpu" and not torch.compiler.is_compiling():
        # Not in float32: the gradient of a preceding bias is summed in memory order, so its last bits would change.
        needs_channels_last = x.stride(1) == 1 and x.shape[1] > _FEW_CHANNELS and x.dtype.itemsize < 4
        resized.register_hook(_channels_last if needs_channels_last else _dense)
    return resized


def _channels_last(gradient: Tensor) -> Tensor:
    """Return the gradient in channels-last format, that of the map.

    A loss returns it channels-first. Torch then takes ten times as long for the gradient of the resize; the result is
    bit-identical.
    """
    return gradient.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)


def _dense(gradient: Tensor) -> Tensor:
    """Return a dense copy of a gradient that is a slice of one with more channels.

    The backward pass of a concatenation returns such slices, for which torch takes ten times as long for the gradient
    of the resize.
    """
    return _channels_last(gradient) if gradient.stride(1) == 1 else gradient.contiguous()
