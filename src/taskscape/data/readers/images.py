"""Reads image files as RGB: the same for a raw data set and for the images that a network predicts."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image

from taskscape.data.readers.opening import open_image
from taskscape.data.readers.samples import load_upright, raw_mode, read_deep_color

SUFFIXES = (
    ".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff",
    ".webp",
)  # fmt: skip
"""Of image files, in lower case."""

_PAGED = (".avif", ".gif", ".png", ".tif", ".tiff", ".webp")
RgbArray = npt.NDArray[np.uint8]
"""(H, W, 3), RGB in 0..255."""
ValueRange = tuple[float, float]
"""The numbers that are black and white in images of more than 8 bits."""

FULL_RANGE = (0.0, 65535.0)
_REMEDY = (
    "state which number is white, with image_range: 4095 in taskscape.yaml (also [black, white]) and --image-range "
    "0 4095 for predictions, or save it with 8 bits"
)


def read_image(path: Path, value_range: ValueRange | None = None) -> RgbArray:
    """Return an image file of any mode as (H, W, 3) RGB, upright by its EXIF orientation.

    ``value_range`` says what is black and white in images of more than 8 bits. Without it 16 bits are taken at their
    full range where values above 32767 prove it: 10 to 14 bits are often kept in 16, and would become black.

    Raises ``ValueError`` that names a file that is damaged, no image, or of unknown range; ``FileNotFoundError`` and
    ``PermissionError`` as they come.
    """
    return read_image_with_size(path, None, value_range)[0]


def read_image_with_size(
    path: Path, size: tuple[int, int] | None, value_range: ValueRange | None
) -> tuple[RgbArray, tuple[int, int]]:
    """Return an image as ``read_image`` does, and its (H, W) in the file.

    With ``size``, (H, W), the image is averaged down or interpolated up to it.
    """
    with open_image(path, load=False) as image:
        deep_color = ";16" in raw_mode(image) and image.mode in ("RGB", "RGBA", "LA")
        is_pgm = image.format == "PPM"  # whose head says what is white; Pillow has scaled it
        upright = load_upright(image, path)
        if upright.mode == "F" or upright.mode.startswith("I"):
            values = np.asarray(upright)
            rgb = _from_gray(_to_8bit(values, FULL_RANGE if is_pgm else value_range, path))
        elif deep_color:
            rgb = _deep_color(upright, value_range, path)
        else:
            try:
                rgb = _as_rgb(upright)
            except Exception as error:  # of a damaged color profile or palette
                raise ValueError(
                    f"{path} is damaged or not an image ({error}): replace the file or leave it out"
                ) from error
    native = rgb.height, rgb.width
    if size is not None and size != native:
        rgb = rgb.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.array(rgb), native


def images_in(folder: Path) -> list[Path]:
    """Return the image files right in a folder, by their endings, in order."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.name[0] != ".")


def size_of(path: Path) -> tuple[int, int]:
    """Return the (H, W) of an image file as ``read_image`` gives it."""
    with open_image(path, load=False) as image:
        upright = load_upright(image, path)
        return upright.height, upright.width


def likely_size_of(path: Path) -> tuple[int, int]:
    """Return what ``size_of`` does, without decoding where the head says it; an unusual file may be on its side."""
    with open_image(path, load=False) as image:
        if image.format == "PNG" and "exif" not in image.info:  # to look for it Pillow would decode the image
            return image.height, image.width
        before = image.height, image.width
        turned = image.getexif().get(ExifTags.Base.Orientation, 1) >= 5 and image.format != "TIFF"  # is turned already
        return before[::-1] if turned else before


def pages_of(path: Path) -> int:
    """Return the number of images in a file, of which ``read_image`` takes the first; 1 for previews in a JPEG."""
    if path.suffix.lower() not in _PAGED:
        return 1
    with open_image(path, load=False) as image:
        return getattr(image, "n_frames", 1)


def full_range_if_bright(paths: Sequence[Path]) -> ValueRange | None:
    """Return the full range of 16 bits where the first image of so many shows that it is used; None otherwise.

    The dark images of a set are then read as the bright ones.
    """
    for path in paths:
        with open_image(path, load=False) as image:
            if not image.mode.startswith("I;16") and ";16" not in raw_mode(image):
                continue
            upright = load_upright(image, path)
            if upright.mode.startswith("I;16"):
                bright = int(np.asarray(upright).max()) > 32767
            else:
                bright = int(np.asarray(upright.convert("RGB")).max()) > 127
            return FULL_RANGE if bright else None
    return None


def resize_image(rgb: RgbArray, size: tuple[int, int]) -> RgbArray:
    """Return an (H, W, 3) image averaged down or interpolated up to ``size``, (H, W)."""
    if rgb.shape[:2] == size:
        return rgb
    return np.asarray(Image.fromarray(rgb).resize((size[1], size[0]), Image.Resampling.BILINEAR))


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "P":  # the palette may have transparency
        return image.convert("RGBA").convert("RGB")
    return image.convert("RGB")


def _from_gray(gray: npt.NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(gray).convert("RGB")


def _deep_color(image: Image.Image, value_range: ValueRange | None, path: Path) -> Image.Image:
    """Return 16 bits a channel as RGB, of which ``image`` has the upper 8."""
    if value_range not in (None, FULL_RANGE):
        values = read_deep_color(path)
        return Image.fromarray(_to_8bit(values[..., :3], value_range, path))
    rgb = image.convert("RGB")
    if value_range is None and np.asarray(rgb).max() < 128:
        raise ValueError(f"{path} has 16 bits a channel, of which the highest is not used: {_REMEDY}")
    return rgb


def _to_8bit(values: npt.NDArray[np.generic], value_range: ValueRange | None, path: Path) -> npt.NDArray[np.uint8]:
    if value_range is None:
        if values.dtype.kind == "f":
            raise ValueError(f"{path} has floating-point pixels, whose range is unknown: {_REMEDY}")
        low, high = int(values.min()), int(values.max())
        if not (low >= 0 and 32767 < high < 65536):
            raise ValueError(f"{path} has more than 8 bits, and holds {low} … {high}: {_REMEDY}")
        value_range = FULL_RANGE
    black, white = value_range
    scaled = (values.astype(np.float64) - black) * 255 / (white - black)
    return np.asarray(np.floor(np.clip(np.nan_to_num(scaled), 0, 255)), np.uint8)
