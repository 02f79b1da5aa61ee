"""What Pillow tells of an image file beside its pixels as shown: how they are stored, and all 16 bits of colors."""

import re
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from taskscape.data.readers.opening import open_image
from taskscape.modalities.base import Array

_LOSSY_FORMATS = ("AVIF", "JPEG", "JPEG2000", "MPO")
_LOSSY_COMPRESSION = ("jpeg", "tiff_jpeg", "old-jpeg", "webp")
_BITS_PER_SAMPLE, _PLANAR_CONFIGURATION, _GDAL_NO_DATA = 258, 284, 42113
"""Tags of TIFF files."""


def raw_mode(image: Image.Image) -> str:
    """Return the raw mode of an image that is not loaded yet, such as ``L;4`` or ``RGB;16B``."""
    tile = _tile(image)
    arguments = tile[0][3] if tile else ""
    if isinstance(arguments, tuple) and arguments:
        arguments = arguments[0]
    return arguments if isinstance(arguments, str) else ""


def load_upright(image: Image.Image, path: Path) -> Image.Image:
    """Decode an image and rotate it upright. Raises ``ValueError`` that names the file if it is damaged."""
    is_libtiff = bool(_tile(image)) and _tile(image)[0][0] == "libtiff"
    if not is_libtiff and _planar_bits(image) > 8:  # Pillow would read single bytes
        raise ValueError(
            f"{path} is a TIFF whose channels of more than 8 bits are stored one after the other: save it as PNG, or "
            "with interleaved channels"
        )
    if image.format == "TIFF":
        opened: Any = image
        opened.filename = ""  # Pillow would map uncompressed files in the size of the upright image, not as stored
    try:
        if is_libtiff:  # it decodes to the machine's byte order
            _set_raw_mode(image, re.sub(r"^([FI];\d+)B", r"\1N", raw_mode(image)))
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
    except Exception as error:  # Pillow raises anything from OSError to SyntaxError and struct.error here
        raise ValueError(f"{path} is damaged or not an image ({error}): replace the file or leave it out") from error
    return image


def count_pages(image: Image.Image, path: Path) -> int:
    """Return the number of images in an open file. Raises ``ValueError`` that names the file if it is damaged."""
    try:
        return getattr(image, "n_frames", 1)
    except Exception as error:  # Pillow reads all frames of a GIF here
        raise ValueError(f"{path} is damaged or not an image ({error}): replace the file or leave it out") from error


def read_deep_color(path: Path) -> Array:
    """Return an image of 16 bits per channel, upright, (H, W, C) uint16. Raises ``ValueError`` that names the file."""
    halves = []
    for lower in (False, True):
        with open_image(path, load=False) as image:
            if lower:
                _swap_bytes(image, path)
            halves.append(np.asarray(load_upright(image, path), np.uint16))
    return np.asarray(halves[0] << 8 | halves[1])


def _swap_bytes(image: Image.Image, path: Path) -> None:
    """Swap the declared byte order, so that Pillow, which keeps the upper byte of 16 bits, reads the lower one."""
    coding = raw_mode(image)
    native = {"N": "L" if sys.byteorder == "little" else "B"}.get(coding[-1:], coding[-1:])
    swapped = coding[:-1] + {"L": "B", "B": "L"}.get(native, "")
    unknown = coding[:-1] not in ("RGB;16", "RGBA;16") or swapped == coding[:-1]
    if len(_tile(image)) != 1 or unknown or _planar_bits(image):
        raise ValueError(f"{path} stores 16 bits per channel in an unsupported way: save it as gray or RGB")
    _set_raw_mode(image, swapped)


def _set_raw_mode(image: Image.Image, coding: str) -> None:
    """Decode the first tile of an image that is not loaded yet in another raw mode."""
    tile = _tile(image)
    codec, extents, offset, arguments = tile[0]
    arguments = (coding, *arguments[1:]) if isinstance(arguments, tuple) else coding
    make_tile = getattr(tile[0], "_make", tuple)  # older versions of Pillow use plain tuples
    tile[0] = make_tile((codec, extents, offset, arguments))


def _planar_bits(image: Image.Image) -> int:
    """Return the bits per channel of a TIFF that stores one channel after the other; 0 for other files."""
    tags: Any = getattr(image, "tag_v2", {})
    bits = tags.get(_BITS_PER_SAMPLE, (1,))
    return max(bits) if tags.get(_PLANAR_CONFIGURATION) == 2 and len(bits) > 1 else 0


def _tile(image: Image.Image) -> list[tuple[str, Any, int, Any]]:
    """Return codec, extents, offset and codec arguments of each tile of an image that is not loaded yet."""
    tile: list[tuple[str, Any, int, Any]] = getattr(image, "tile", [])
    return tile


def scale_maximum(image: Image.Image) -> int:
    """Return the maximum value in the header of a PGM file, by which Pillow scales; 0 for other files."""
    tile = _tile(image)
    if not tile or not tile[0][0].startswith("ppm") or image.mode not in ("L", "I"):
        return 0
    arguments = tile[0][3]
    return arguments[1] if isinstance(arguments, tuple) and isinstance(arguments[1], int) else 0


def no_data_value(image: Image.Image) -> float | None:
    """Return the value that a TIFF declares as no measurement (GDAL's tag); None for other files."""
    tags: Any = getattr(image, "tag_v2", {})
    with suppress(ValueError):  # not a number
        return float(str(tags.get(_GDAL_NO_DATA, "")).strip("\0 "))
    return None


def is_lossy(image: Image.Image, path: Path) -> bool:
    """Return whether the format of an open file is lossy."""
    if image.format == "WEBP":
        return _is_lossy_webp(path)
    return image.format in _LOSSY_FORMATS or image.info.get("compression") in _LOSSY_COMPRESSION


def _is_lossy_webp(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(12)
        while len(head := file.read(8)) == 8:
            kind, length = head[:4], struct.unpack("<I", head[4:])[0]
            if kind in (b"VP8 ", b"VP8L", b"ANMF"):
                return kind != b"VP8L"
            file.seek(length + length % 2, 1)
    return True
