"""Read the numbers of a label file as stored, with their palette and transparency.

Pillow decodes images for display: it scales gray of fewer than 8 bits to 0 … 255, drops the lower half of 16-bit
colors, and keeps palettes and transparency separately. That is wrong for labels, whose numbers are ids or measurements.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from taskscape.data.readers.labels import resize_nearest
from taskscape.data.readers.opening import open_array, open_image
from taskscape.data.readers.pillow import (
    count_pages,
    is_lossy,
    load_upright,
    no_data_value,
    raw_mode,
    read_deep_color,
    scale_maximum,
)
from taskscape.modalities.base import Array, Mask


@dataclass(frozen=True)
class Samples:
    """Contents of a label file."""

    values: Array
    """(H, W) or (H, W, C), in the type of the file; without alpha."""
    bits: int
    """Number of bits of a value in the file."""
    exact: bool = False
    """Whether the file is an array of exact values, not an image."""
    palette: Array | None = None
    """(256, 3) colors, indexed by ``values``; None without a palette."""
    opaque: Mask | None = None
    """(H, W), false where alpha is 0; None without transparency."""
    lossy: bool = False
    """Whether the file format is lossy."""
    no_data: float | None = None
    """The value that a TIFF of GDAL declares as no measurement; None without one."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        height, width = self.values.shape[:2]
        return height, width

    def resized(self, size: tuple[int, int]) -> "Samples":
        """Return the samples resized by nearest-neighbor sampling."""
        if size == self.size:
            return self
        opaque = None if self.opaque is None else resize_nearest(self.opaque, size)
        return replace(self, values=resize_nearest(self.values, size), opaque=opaque)

    def without_gray_palette(self, *, keep_one_bit: bool = True) -> "Samples":
        """Return an image with a palette of grays as the gray image that it shows; other samples unchanged.

        GIF, and programs that make files smaller, store gray as indices in any order. Palettes that are only for
        display are kept: black and white in this order, as with one bit, unless ``keep_one_bit`` is false, or one gray
        for several indices in use.
        """
        if self.palette is None or (self.palette != self.palette[:, :1]).any():
            return self
        used, levels = used_values(self.values, self.opaque), self.palette[:, 0]
        is_one_bit = levels[:2].tolist() == [0, 255] and used <= {0, 1}
        if (is_one_bit and keep_one_bit) or len(np.unique(levels[list(used)])) < len(used):
            return self
        return replace(self, values=levels[self.values], palette=None)

    def shown(self) -> Array:
        """Return gray of fewer than 8 bits scaled to 0 … 255, as displayed; other values unchanged."""
        return self.values * np.uint8(255 // (2**self.bits - 1)) if self.bits < 8 else self.values


def used_values(stored: Array, opaque: Mask | None) -> set[int]:
    """Return the values of pixels that are not transparent."""
    return set(np.unique(stored if opaque is None else stored[opaque]).tolist())


def read_samples(path: Path) -> Samples:
    """Read a label file, upright according to its EXIF orientation.

    Raises ``ValueError`` that names the file if it is damaged or cannot be a label. ``FileNotFoundError`` and
    ``PermissionError`` are passed on.
    """
    return _read_array(path) if path.suffix.lower() == ".npy" else _read_image(path)


def read_exact(path: Path) -> Samples:
    """Read a label file as ``read_samples`` does. Also raises ``ValueError`` if its format is lossy."""
    label = read_samples(path)
    if label.lossy:
        raise ValueError(f"{path} is in a lossy format, which changes labels: save it as PNG")
    return label


def stored_size(path: Path) -> tuple[int, int]:
    """Return the (H, W) of a label file from its header. Raises the errors of ``read_samples``.

    Height and width can be swapped if the file has an EXIF orientation.
    """
    if path.suffix.lower() == ".npy":
        return _squeezed(open_array(path), path).shape[:2]
    with open_image(path, load=False) as image:
        return image.height, image.width


def stored_palette(path: Path) -> bytes:
    """Return the palette of a label file from its header; empty if it has none."""
    if path.suffix.lower() == ".npy":
        return b""
    with open_image(path, load=False) as image:
        return b"" if image.mode != "P" or image.palette is None else bytes(image.palette.palette)


def _read_array(path: Path) -> Samples:
    array = _squeezed(open_array(path), path)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{path} holds {array.dtype}, not numbers: save it as integers or floats")
    # In the machine's byte order, so that types compare equal.
    values = np.array(array, np.uint8 if array.dtype.kind == "b" else array.dtype.newbyteorder("="))
    return Samples(values, 8 * values.dtype.itemsize, exact=True)


def _squeezed(array: Array, path: Path) -> Array:
    """Return an array as (H, W) or (H, W, C), without leading or trailing axes of length 1, as saved by torch."""
    while array.ndim > 2 and array.shape[0] == 1:
        array = array[0]
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise ValueError(
            f"{path} has shape {array.shape} instead of (H, W) or (H, W, channels): save one label per file"
        )
    if array.ndim == 3 and array.shape[0] == 3 and array.shape[2] != 3:
        raise ValueError(
            f"{path} has shape {array.shape}, with the channels first: save it as (H, W, 3), with "
            "numpy.moveaxis(array, 0, -1)"
        )
    return array


def _read_image(path: Path) -> Samples:
    with open_image(path, load=False) as image:
        if image.format in ("GIF", "PNG", "TIFF", "WEBP") and (pages := count_pages(image, path)) > 1:
            raise ValueError(f"{path} holds {pages} images: save one label per file")
        coding = raw_mode(image)
        if image.format in ("TIFF", "PPM") and coding.partition(";")[2].rstrip("R").endswith("I"):
            kind = "TIFF whose 0 is white (MinIsWhite)" if image.format == "TIFF" else "PBM, whose 0 is white"
            raise ValueError(f"{path} is a {kind}, so its stored numbers are not those that are shown: save it as PNG")
        maximum = scale_maximum(image)
        lossy, no_data = is_lossy(image, path), no_data_value(image)
        upright = load_upright(image, path)
        if coding.startswith("L;") and coding[2:3] in ("2", "4"):
            bits = int(coding[2])
            values = np.asarray(upright) // (255 // (2**bits - 1))
        elif maximum:
            shown = np.asarray(upright)
            bits = 8 if maximum < 256 else 16
            values = np.rint(shown * (maximum / (255 if shown.dtype == np.uint8 else 65535))).astype(f"uint{bits}")
        elif upright.mode == "1":
            bits, values = 1, np.asarray(upright, np.uint8)
        elif ";16" in coding and upright.mode in ("RGB", "RGBA"):
            bits, values = 16, read_deep_color(path)
        elif ";16" in coding and upright.mode == "I" and not coding.endswith("S"):  # widened by Pillow, as from PGM
            bits, values = 16, np.asarray(upright, np.uint16)
        else:
            values = np.asarray(upright)
            bits = 8 * values.dtype.itemsize
        if upright.mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "I", "F") and upright.mode[:2] != "I;":
            raise ValueError(f"{path} is an image of mode {upright.mode}: convert it to gray or RGB")
        palette = None
        if upright.mode in ("P", "PA"):
            colors = np.array(upright.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
            palette = np.zeros((256, 3), np.uint8)
            palette[: len(colors)] = colors
        opaque = None
        if upright.mode in ("LA", "PA", "RGBA"):
            opaque = values[..., -1] != 0
            values = values[..., 0] if upright.mode != "RGBA" else values[..., :3]
        elif (transparent := upright.info.get("transparency")) is not None:
            # For one bit, Pillow gives 255 instead of 1.
            opaque = _opaque_mask(values, bool(transparent) if bits == 1 else transparent)
        return Samples(values, bits, False, palette, opaque, lossy, no_data)


def _opaque_mask(values: Array, transparent: int | bytes | tuple[int, ...]) -> Mask:
    """Return a mask of the pixels that are not of the transparent index or color, or whose index has nonzero alpha."""
    if isinstance(transparent, bytes):
        alpha = np.full(256, 255, np.uint8)
        alpha[: len(transparent)] = np.frombuffer(transparent, np.uint8)
        return np.asarray(alpha[values] != 0)
    different = values != np.asarray(transparent)
    return np.asarray(different if different.ndim == 2 else different.any(-1))
