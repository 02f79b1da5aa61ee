"""Read gray label images of a known number of bits."""

from pathlib import Path

from taskscape.data.readers.aspect import Size, check_aspect
from taskscape.data.readers.samples import read_exact
from taskscape.modalities.base import Array


def read_gray(path: Path, bits: int, content: str, image_size: Size) -> Array:
    """Return a gray label of 8 or 16 bits, (H, W); ``content`` names the expected values in error messages.

    Labels of 8 bits can be stored in fewer bits, or with a palette, whose grays, or else indices, are the values.

    Raises ``ValueError`` if it is another type of image, or its aspect ratio differs from that of its image.
    """
    label = read_exact(path).without_gray_palette()
    if max(label.bits, 8) != bits or label.values.ndim != 2:
        actual = f"{label.bits} bits" if label.values.ndim == 2 else f"{label.values.shape[2]} channels"
        raise ValueError(f"{path} has {actual} where {bits} bits of {content} belong: download it again unchanged")
    check_aspect(path, label.values.shape, image_size)
    return label.values
