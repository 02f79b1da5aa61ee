"""Resize labels without mixing pixels, look up ids, and decode vectors."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from taskscape.data.readers.aspect import Size
from taskscape.modalities.base import Array, Mask
from taskscape.modalities.normals import decode_8bit


def resize_nearest(label: Array, size: Size) -> Array:
    """Return a label, (H, W, …), resized by nearest-neighbor sampling, which never mixes values."""
    rows, columns = ((np.arange(new) + 0.5) * old / new for new, old in zip(size, label.shape[:2], strict=True))
    nearest: Array = label[rows.astype(np.intp)[:, None], columns.astype(np.intp)]
    return nearest


def look_up(values: Array, ids: Mapping[int, int], message_for: Callable[[list[Any]], str]) -> Array:
    """Return the id of each value, uint8.

    Raises ``ValueError`` with the message that ``message_for`` returns for values without an id.
    """
    unique_values, positions = np.unique(values, return_inverse=True)
    if unknown := [value for value in unique_values.tolist() if value not in ids]:
        raise ValueError(message_for(unknown))
    table = np.array([ids[value] for value in unique_values.tolist()], np.uint8)
    return np.asarray(table[positions].reshape(values.shape))


def decoded_vectors(stored: Array) -> Array:
    """Return the vectors (..., 3) of a label: 8-bit integers hold n = v / 255 · 2 - 1, 16-bit ones v / 65535 · 2 - 1.

    Raises ``ValueError`` for other integers; its message continues a sentence that starts with the file's path.
    """
    if stored.dtype.kind == "f":
        return stored
    if stored.dtype == np.uint8:
        return decode_8bit(stored)
    if stored.dtype == np.uint16:
        return np.asarray((stored / 32767.5 - 1) * stored.any(-1, keepdims=True))
    raise ValueError(f"holds {stored.dtype}: save unit vectors as floats, or 8-bit RGB")


def unit_vectors(vectors: Array) -> tuple[Array, Mask]:
    """Return (H, W, 3) vectors at unit length, and a mask of those with a valid direction: longer than ½, at most 1½.

    Longer ones, such as (-1, -1, -1) or (1, 1, 1), come from black or white pixels, which stand for no normal.
    """
    length = np.linalg.norm(vectors.astype(np.float32), axis=-1)
    valid = (length > 0.5) & (length <= 1.5)
    unit = vectors / np.where(valid, length, 1.0)[..., None]
    return np.where(valid[..., None], unit, 0).astype(np.float32), valid
