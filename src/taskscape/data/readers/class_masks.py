"""Class masks with colors or numbers, in the style of Pascal VOC."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from taskscape.batch import Sample
from taskscape.data.readers.colors import EXCHANGED, Color, are_exchanged, pack_colors, unpack_color
from taskscape.data.readers.images import likely_size_of, read_image, resize_image, size_of
from taskscape.data.readers.labels import look_up, resize_nearest
from taskscape.data.readers.samples import read_exact, used_values
from taskscape.modalities import IGNORE_INDEX, ClassSet
from taskscape.modalities.base import Array

FIELD = "semseg"
BACKGROUND = "background"
"""The class of pixels without a label."""

_TRANSPARENT = -1
"""Stands for a transparent pixel."""


def voc_color(index: int) -> Color:
    """Return the color of a class in Pascal VOC: the bits of its index, distributed to red, green and blue in turn."""
    return tuple(sum((index >> (3 * bit + channel) & 1) << (7 - bit) for bit in range(8)) for channel in range(3))  # type: ignore[return-value]


def read_class_mask(path: Path, ids: Mapping[Color, int], numbers: Mapping[int, int]) -> Array:
    """Return the ids of a class mask, (H, W) uint8.

    ``ids`` maps colors to ids. ``numbers`` maps gray values, also those of a palette, and palette indices if the
    palette has other colors, and those of ``ids`` only at the indices of their classes. ``IGNORE_INDEX`` stands for no
    class, which transparent pixels get too.

    Raises ``ValueError`` that names the file if it has other colors or numbers, or is lossy.
    """
    label = read_exact(path)
    values = label.values.astype(np.int64)
    noun, table = "numbers", numbers
    if values.ndim == 3:
        noun, table, values = "colors", _by_packed(ids), pack_colors(values)
    elif label.palette is not None:
        colors, gray = label.palette.astype(np.int64), label.without_gray_palette()
        used = {index: tuple(colors[index].tolist()) for index in used_values(values, label.opaque)}
        known = {index: ids[color] for index, color in used.items() if color in ids}
        # Colors beyond the end of a palette are black.
        by_index = all(id_ == numbers.get(index) for index, id_ in known.items() if used[index] != (0, 0, 0))
        if len(known) < len(used) and gray.palette is None and used_values(gray.values, gray.opaque) <= numbers.keys():
            values = gray.values.astype(np.int64)
        elif len(known) == len(used) or not by_index:
            noun, table, values = "colors", _by_packed(ids), pack_colors(colors)[values]
    if label.opaque is not None:
        values = np.where(label.opaque, values, _TRANSPARENT)

    def message(unknown: list[int]) -> str:
        examples = [unpack_color(value) if noun == "colors" else value for value in unknown[:3]]
        return (
            f"{path} has {noun} of no class, such as {', '.join(map(str, examples))}: correct the labels, or the list "
            "of classes" + (f"; {EXCHANGED}" if noun == "colors" and are_exchanged(unknown, table.keys()) else "")
        )

    return look_up(values, {**table, _TRANSPARENT: IGNORE_INDEX}, message)


def background_among(names: Iterable[str]) -> str:
    """Return the name of the background as these names spell it, such as ``Background``; by default ``background``."""
    return next((name for name in names if name.casefold() == BACKGROUND), BACKGROUND)


def own_classes(names: Sequence[str], colors: Sequence[Color], where: Path) -> ClassSet:
    """Return the class set of the classes and colors that a file lists. Raises ``ValueError`` that names the file."""
    if not 0 < len(names) < IGNORE_INDEX:
        raise ValueError(f"{where} has {len(names)} classes: 1 … {IGNORE_INDEX - 1} are possible")
    try:
        return ClassSet("own", tuple(names), tuple(colors))
    except ValueError as error:  # a name that cannot be printed, or occurs twice
        raise ValueError(f"{where}: {error}") from error


def labeled_sample(name: str, path: Path, ids: Array, label: str, size: tuple[int, int]) -> Sample:
    """Return the sample of an image and its class ids, both resized to ``size``.

    Raises ``ValueError`` if their original sizes differ; ``label`` names the source of the ids in the message.
    """
    image = read_image(path)
    _require_equal(path, image.shape, ids.shape, label)
    small = resize_nearest(ids, size)
    values, valid = {"image": resize_image(image, size), FIELD: small}, {FIELD: small != IGNORE_INDEX}
    return Sample(values, valid, name, {FIELD: (ids, ids != IGNORE_INDEX)})


def check_size_of_image(path: Path, size: tuple[int, int], label: str) -> None:
    """Compare the size of an image with that of its label, reading only the header of the file if possible.

    Raises ``ValueError`` if they differ; ``label`` names the source of the label in the message.
    """
    if likely_size_of(path) != size:
        _require_equal(path, size_of(path), size, label)


def _require_equal(path: Path, image: tuple[int, ...], ids: tuple[int, ...], label: str) -> None:
    if image[:2] != ids[:2]:
        raise ValueError(
            f"{path} has {image[0]}x{image[1]} pixels, and {label} {ids[0]}x{ids[1]}: give the image that was labeled"
        )


def _by_packed(ids: Mapping[Color, int]) -> dict[int, int]:
    return {int(pack_colors(color)): id_ for color, id_ in ids.items()}
