"""Convert images of any type to (H, W, 3) uint8 RGB. One rule applies: uint8 is 0..255, floating-point is 0..1."""

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps
from torch import Tensor

from taskscape.data.readers.images import RgbArray, ValueRange, read_image

AnyImage = str | os.PathLike[str] | Image.Image | Tensor | np.ndarray[Any, Any]
"""A file, a Pillow image, an (H, W, 3), (H, W, 4) or (H, W) array, or a (3, H, W) tensor; uint8 or floating-point."""

_ROUNDING = 1e-3


def as_rgb(image: AnyImage, value_range: ValueRange | None = None) -> RgbArray:
    """Return an image as (H, W, 3) uint8 RGB; alpha is dropped, and gray images get three equal channels.

    ``value_range`` gives the values of black and white in files of more than 8 bits. Raises ``ValueError`` for other
    types, shapes and ranges, and for files as ``read_image`` does; ``FileNotFoundError`` for a missing file.
    """
    if isinstance(image, Image.Image):
        if image.mode == "F" or image.mode.startswith("I"):
            raise ValueError(f"the image has mode {image.mode}, of more than 8 bits: give its file, with image_range")
        return np.array(ImageOps.exif_transpose(image).convert("RGB"))
    if isinstance(image, str | os.PathLike):
        if "://" in str(image):
            raise ValueError(f"{image} is an address: download the image, and give the file")
        path = Path(image)
        if path.is_dir():
            raise ValueError(f"{path} is a folder: give one image; taskscape.inference.predict.predict takes folders")
        if not path.exists():
            raise FileNotFoundError(f"there is no image {path}")
        return read_image(path, value_range=value_range)
    if isinstance(image, Tensor):
        if image.ndim != 3 or image.shape[0] != 3:
            raise ValueError(f"the image is a tensor of shape {tuple(image.shape)}: give one image, (3, H, W)")
        return _to_rgb(image.detach().float().cpu().numpy() if image.is_floating_point() else image.cpu().numpy(), 0)
    if not isinstance(image, np.ndarray):
        raise ValueError(
            f"the image is a {type(image).__name__}: give one image, as the path of a file, a Pillow image (Image.open "
            "reads open files), an array or a tensor"
        )
    if not (image.ndim == 2 or (image.ndim == 3 and image.shape[-1] in (3, 4))):
        raise ValueError(
            f"the image is an array of shape {image.shape}: give one image, (H, W, 3), (H, W, 4) or (H, W)"
        )
    return _to_rgb(image, -1)


def _to_rgb(values: np.ndarray[Any, Any], channel_axis: int) -> RgbArray:
    if 0 in values.shape:
        raise ValueError(f"the image has shape {values.shape}: it has no pixels")
    if values.dtype.kind == "f":
        low, high = float(values.min()), float(values.max())
        if not math.isfinite(high - low):
            raise ValueError(f"the image has values {low:g} … {high:g}: it must not have NaN or infinite values")
        if not (low >= -_ROUNDING and high <= 1 + _ROUNDING):
            raise ValueError(
                f"the image has values {low:g} … {high:g}: floating-point images must be in 0..1; divide those in "
                "0..255 by 255"
            )
        values = np.rint(values.clip(0, 1) * 255).astype(np.uint8)
    elif values.dtype != np.uint8:
        raise ValueError(f"the image is {values.dtype}: give uint8 in 0..255, or floating-point numbers in 0..1")
    if values.ndim == 2:
        return np.repeat(values[..., None], 3, axis=-1)
    return np.ascontiguousarray(np.moveaxis(values, channel_axis, -1)[..., :3])
