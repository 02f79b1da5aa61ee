"""Reads image files as RGB: the same for a raw data set and for the images that a network predicts."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageOps

from taskscape.data.readers.opening import open_image

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
"""Of image files, in lower case."""

RgbArray = npt.NDArray[np.uint8]
"""(H, W, 3), RGB in 0..255."""


def read_image(path: Path, size: tuple[int, int] | None = None) -> RgbArray:
    """Return an image file of any mode as (H, W, 3) RGB, upright by its EXIF orientation.

    With ``size``, (H, W), the image is averaged down or interpolated up to it. Raises ``ValueError`` that names a file
    that is damaged or no image; ``FileNotFoundError`` and ``PermissionError`` as they come.
    """
    with open_image(path) as image:
        try:
            ImageOps.exif_transpose(image, in_place=True)
            rgb = np.array(_as_rgb(image))
        except Exception as error:  # damaged EXIF data raise anything
            raise ValueError(
                f"{path} is damaged or not an image ({error}): replace the file or leave it out"
            ) from error
    return resize_image(rgb, size)


def size_of(path: Path) -> tuple[int, int]:
    """Return the (H, W) of an image file as ``read_image`` gives it, without reading its pixels."""
    with open_image(path, load=False) as image:
        on_its_side = image.getexif().get(ExifTags.Base.Orientation, 1) >= 5
        return (image.width, image.height) if on_its_side else (image.height, image.width)


def resize_image(rgb: RgbArray, size: tuple[int, int] | None) -> RgbArray:
    """Return an (H, W, 3) image averaged down or interpolated up to ``size``, (H, W); as it is without a size."""
    if size is None or rgb.shape[:2] == size:
        return rgb
    return np.asarray(Image.fromarray(rgb).resize((size[1], size[0]), Image.Resampling.BILINEAR))


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits of gray, which Pillow would clip at 255
        return Image.fromarray((np.asarray(image) // 257).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers of unknown range; save it with 8 bits")
    if image.mode == "P":  # the palette may have transparency
        return image.convert("RGBA").convert("RGB")
    return image.convert("RGB")
