"""Read plain numeric arrays from a MATLAB 5 file, such as those that ``savemat`` of scipy writes.

scipy's own reader crashes the process if a file is damaged in certain places. The format is described in "MAT-File
Format", https://www.mathworks.com/help/pdf_doc/matlab/matfile_format.pdf, chapter 1.
"""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

MOST_BYTES = 1 << 24
"""Largest size of the file, and of an array, in bytes."""
_MATRIX, _COMPRESSED = 14, 15
_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_HEADER = 128


def read_numbers(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Return the numeric arrays of a file by name, each flattened; other contents are skipped.

    Raises ``ValueError``, without the file's name, if the file is damaged or of another version.
    """
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"it is larger than {MOST_BYTES} bytes")
    order = {b"IM": "<", b"MI": ">"}.get(content[126:_HEADER])
    if order is None:
        raise ValueError("it is not a MATLAB 5 file")
    arrays = {}
    for kind, data in _elements(content[_HEADER:], order):
        if kind == _COMPRESSED:
            try:
                data = zlib.decompressobj().decompress(data, MOST_BYTES)
            except zlib.error as error:
                raise ValueError(f"an array is damaged: {error}") from error
            kind, data = next(_elements(data, order), (0, b""))
        parts = list(_elements(data, order)) if kind == _MATRIX else []
        if len(parts) >= 4 and parts[3][0] in _TYPES:
            dtype = np.dtype(order + _TYPES[parts[3][0]])
            arrays[parts[2][1].decode("latin-1")] = np.frombuffer(
                parts[3][1], dtype, len(parts[3][1]) // dtype.itemsize
            )
    return arrays


def _elements(content: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Yield type and data of each element. Raises ``ValueError`` if an element extends beyond the content."""
    position = 0
    while position + 8 <= len(content):
        kind, size = (int(n) for n in np.frombuffer(content, f"{order}u4", 2, position))
        if kind >> 16:  # a small element, whose data are in the tag
            kind, size, start, next_position = kind & 0xFFFF, kind >> 16, position + 4, position + 8
        else:
            start = position + 8
            next_position = start + size + (-size % 8 if kind != _COMPRESSED else 0)
        if start + size > len(content):
            raise ValueError("it ends within an array")
        yield kind, content[start : start + size]
        position = next_position
