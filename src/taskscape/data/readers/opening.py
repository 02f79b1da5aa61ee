"""Open image and array files within limits: the sizes that they claim are checked before data are read."""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from taskscape.files.unreadable import why_unreadable

FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "TIFF", "WEBP")
"""Formats that are read, whatever a file's extension. Pillow's other formats start programs, or have no size limit."""
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_NOT_READ = {
    b"v/1\x01": "OpenEXR",
    b"#?RADIANCE": "Radiance HDR",
    b"PF": "a color PFM",
    b"II*\0": "a TIFF without an end, or of an unusual kind such as 64-bit numbers or three floating-point channels",
    b"MM\0*": "a TIFF without an end, or of an unusual kind such as 64-bit numbers or three floating-point channels",
}
"""Formats that Pillow does not support, by the first bytes of a file."""
MOST_PIXELS = 120_000_000
"""Largest number of pixels of an image; reading one of this size takes up to 1.5 GiB of memory."""


@contextmanager
def open_image(
    path: Path, load: bool = True, remedy: str = "replace the file or leave it out"
) -> Iterator[Image.Image]:
    """Open an image, and decode its pixels unless ``load`` is false.

    Raises ``ValueError`` that names the file if it is damaged, too large or not an image. ``FileNotFoundError`` and
    ``PermissionError`` are passed on.
    """
    with warnings.catch_warnings():
        # Such as one per photograph whose EXIF data are cut off, without the file's name. Our own limits apply.
        warnings.filterwarnings("ignore", module=r"PIL\.")
        with _checked(path, load, remedy) as image:
            yield image


def _checked(path: Path, load: bool, remedy: str) -> Image.Image:
    """Return an open image. Raises the errors of ``open_image``."""
    try:
        return _opened(path, load)
    except (FileNotFoundError, PermissionError):
        raise
    except Image.DecompressionBombError as error:
        raise ValueError(
            f"{path} is too large ({_claimed_pixels(error)}, and {MOST_PIXELS} are possible): make the image smaller, "
            "cut it up or leave it out"
        ) from error
    except Exception as error:  # Pillow raises anything from OSError to SyntaxError and struct.error here
        raise ValueError(f"{path} is damaged or not an image ({_why_unreadable(path, error)}): {remedy}") from error


def open_array(path: Path, remedy: str = "replace the file or leave it out") -> npt.NDArray[Any]:
    """Map the array of an ``.npy`` file; a header that claims more data than the file holds fails at once.

    Raises ``ValueError`` that names the file if it is damaged. ``FileNotFoundError`` and ``PermissionError`` are passed
    on.
    """
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except (FileNotFoundError, PermissionError):
        raise
    except Exception as error:  # numpy parses headers with Python's tokenizer, which raises many types of errors
        if "Python objects" in str(error):  # they need pickle, which can run code
            remedy = "save plain numbers, such as array.astype(numpy.float32)"
        raise ValueError(f"{path} is damaged or not an array ({_why_unreadable(path, error)}): {remedy}") from error
    return array


def _opened(path: Path, load: bool) -> Image.Image:
    image = Image.open(path, formats=_formats())
    try:
        if image.width * image.height > MOST_PIXELS:
            raise Image.DecompressionBombError(f"{image.width * image.height} pixels")
        if load:
            image.load()
    except BaseException:
        image.close()
        raise
    return image


def _claimed_pixels(error: Image.DecompressionBombError) -> str:
    """Return the number of pixels of an image, from Pillow's error message or ours."""
    match = re.search(r"\d+ pixels", str(error))
    return match[0] if match else str(error)


def _why_unreadable(path: Path, error: Exception) -> str:
    """Return the kind of an unreadable file, as far as its first bytes tell."""
    with suppress(OSError), path.open("rb") as file:
        start = file.read(12)
        if start.startswith(b"PK\x03\x04"):
            return "it is an archive, such as .npz or .zip"
        if start[4:8] == b"ftyp" and start[8:] in _HEIC:
            return "it is HEIC, as many phones write, which is not read; save it as JPEG, PNG or AVIF"
        for beginning, kind in _NOT_READ.items():
            if start.startswith(beginning) and isinstance(error, UnidentifiedImageError):
                return f"it is {kind}, which is not read; save an image as PNG, and a label as .npy"
    return why_unreadable(path) or str(error)


@cache
def _formats() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)
