"""The images that a network takes: RGB in 0..1."""

import math
import warnings

import torch
from torch import Tensor

from taskscape.devices import is_quick_to_read
from taskscape.modalities.rgb import in_unit_range

_LARGEST_MAGNITUDE = 16.0
"""Greater than the magnitude of any value in a 0..1 image, however it was augmented or normalized."""
_USUAL_RANGE = (-1.0, 2.0)
"""Contains all values of 0..1 images, however they were augmented, but not those of images that were normalized."""


def unit_range(image: Tensor) -> Tensor:
    """Return (B, 3, H, W) images in 0..1, given uint8 images in 0..255 or floating-point images in 0..1.

    Raises ``ValueError`` for other types and shapes, for NaN and for floating-point images in 0..255, and warns about
    images that seem to be normalized. On a GPU the values are not checked, since reading them would force a
    synchronization.
    """
    if image.ndim != 4 or image.shape[1] != 3:
        raise ValueError(
            f"the image is {tuple(image.shape)}: a network takes batches of RGB images, (B, 3, H, W); "
            "use image.unsqueeze(0) for a single one, and image.permute(2, 0, 1) where channels are last"
        )
    if image.dtype == torch.uint8:
        return in_unit_range(image)
    if not image.is_floating_point():
        raise ValueError(f"the image is {image.dtype}: give uint8 in 0..255, or floating-point numbers in 0..1")
    if is_quick_to_read(image) and _has_numbers(image):
        lowest, highest = (x.item() for x in image.detach().aminmax())
        if not math.isfinite(highest - lowest):
            raise ValueError(f"the image is {lowest:g} … {highest:g}: it must not have NaN or infinite values")
        if max(-lowest, highest) > _LARGEST_MAGNITUDE:
            raise ValueError(
                f"the image is {lowest:g} … {highest:g}: a network takes floating-point images in 0..1; divide those "
                "in 0..255 by 255"
            )
        if lowest < _USUAL_RANGE[0] or highest > _USUAL_RANGE[1]:
            warnings.warn(  # the same words for all images, so that Python shows them once
                f"an image has values outside {_USUAL_RANGE[0]:g} … {_USUAL_RANGE[1]:g}, as if it were normalized: "
                "give RGB in 0..1, since networks normalize images themselves",
                stacklevel=3,
            )
    return image


def _has_numbers(image: Tensor) -> bool:
    """Return whether a tensor's values can be read, which they cannot while a network is compiled or exported."""
    return image.numel() > 0 and type(image) is Tensor and not torch.compiler.is_compiling()
