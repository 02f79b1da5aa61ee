"""Read image files as RGB, in the same way for raw data sets and for prediction."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image

from taskscape.data.readers.opening import open_image
from taskscape.data.readers.pillow import count_pages, load_upright, raw_mode, read_deep_color, scale_maximum

SUFFIXES = (
    ".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff",
    ".webp",
)  # fmt: skip
"""Extensions of image files, in lower case."""

_PAGED = (".avif", ".gif", ".png", ".tif", ".tiff", ".webp")
RgbArray = npt.NDArray[np.uint8]
"""(H, W, 3), RGB in 0..255."""
ValueRange = tuple[float, float]
"""The values of black and white in images of more than 8 bits."""

FULL_RANGE = (0.0, 65535.0)
_REMEDY = (
    "state which number is white, with image_range: 4095 in taskscape.yaml (also [black, white]) and --image-range "
    "0 4095 for predictions, or save it with 8 bits"
)


def read_image(path: Path, value_range: ValueRange | None = None) -> RgbArray:
    """Return an image file of any mode as (H, W, 3) RGB, upright according to its EXIF orientation.

    ``value_range`` gives the values of black and white in images of more than 8 bits. Without it, 16-bit images are
    read at full range if values above 32767 prove it, and refused otherwise: 10 to 14 bits are often stored in 16 bits,
    and would turn out black.

    Raises ``ValueError`` that names the file if it is damaged, not an image, or of unknown range. ``FileNotFoundError``
    and ``PermissionError`` are passed on.
    """
    return read_image_with_size(path, None, value_range)[0]


def read_image_with_size(
    path: Path, size: tuple[int, int] | None, value_range: ValueRange | None
) -> tuple[RgbArray, tuple[int, int]]:
    """Return an image as ``read_image`` does, and its original (H, W).

    If ``size``, (H, W), is given, the image is averaged down or interpolated up to it.
    """
    with open_image(path, load=False) as image:
        deep_color = ";16" in raw_mode(image) and image.mode in ("RGB", "RGBA", "LA")
        is_pgm, maximum = image.format == "PPM", scale_maximum(image) or 65535
        upright = load_upright(image, path)
        if upright.mode == "F" or upright.mode.startswith("I"):
            if is_pgm and upright.mode != "F":  # its header gives the value of white, and Pillow has scaled accordingly
                black, white = value_range if value_range not in (None, FULL_RANGE) else (0, maximum)
                value_range = black * 65535 / maximum, white * 65535 / maximum
            gray = _to_8bit(np.asarray(upright), value_range, path)
            rgb = Image.fromarray(gray).convert("RGB")
        elif deep_color:
            rgb = _deep_color(upright, value_range, path)
        else:
            try:  # a palette may have transparency
                rgb = (upright.convert("RGBA") if upright.mode == "P" else upright).convert("RGB")
            except Exception as error:  # a damaged color profile or palette
                raise ValueError(
                    f"{path} is damaged or not an image ({error}): replace the file or leave it out"
                ) from error
    native = rgb.height, rgb.width
    if size is not None and size != native:
        rgb = rgb.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.array(rgb), native


def images_in(folder: Path) -> list[Path]:
    """Return the image files directly in a folder, sorted; they are recognized by their extensions."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.name[0] != ".")


def size_of(path: Path) -> tuple[int, int]:
    """Return the (H, W) of an image file as read by ``read_image``."""
    with open_image(path, load=False) as image:
        upright = load_upright(image, path)
        return upright.height, upright.width


def likely_size_of(path: Path) -> tuple[int, int]:
    """Return the result of ``size_of`` from the header if possible; height and width may be swapped in rare files."""
    with open_image(path, load=False) as image:
        if image.format == "PNG" and "exif" not in image.info:  # looking for it would make Pillow decode the image
            return image.height, image.width
        size = image.height, image.width
        # Pillow has already rotated a TIFF.
        is_turned = image.getexif().get(ExifTags.Base.Orientation) in (5, 6, 7, 8) and image.format != "TIFF"
        return size[::-1] if is_turned else size


def pages_of(path: Path) -> int:
    """Return the number of images in a file; ``read_image`` reads the first. Previews in a JPEG do not count."""
    if path.suffix.lower() not in _PAGED:
        return 1
    with open_image(path, load=False) as image:
        return count_pages(image, path)


def full_range_if_bright(paths: Sequence[Path]) -> ValueRange | None:
    """Return the full range of 16 bits if values of the first 16-bit image prove that it is used, else None.

    Dark images of a data set are then read with the same range as bright ones.
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


def _deep_color(image: Image.Image, value_range: ValueRange | None, path: Path) -> Image.Image:
    """Return an image of 16 bits per channel as 8-bit RGB; ``image`` has only the upper 8 bits."""
    if value_range not in (None, FULL_RANGE):
        values = read_deep_color(path)
        return Image.fromarray(_to_8bit(values[..., :3], value_range, path))
    rgb = image.convert("RGB")
    if value_range is None and np.asarray(rgb).max() < 128:
        raise ValueError(f"{path} has 16 bits per channel, of which the highest is not used: {_REMEDY}")
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
