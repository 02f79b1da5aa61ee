"""A network in the format of the page: packed bytes and their description."""

import base64
import lzma
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from taskscape.export import onnx_file
from taskscape.export.formats import Job
from taskscape.export.pictures import photograph
from taskscape.export.web.drawn import about
from taskscape.export.web.rounded import rounded

BITS = 16
"""Bits per weight in a folder."""

PROBE = (96, 128)
"""Height and width of the test image that a browser's GPU must compute correctly before it is used."""


@dataclass(frozen=True)
class PageModel:
    """A network for the page."""

    about: Mapping[str, Any]
    """Description, as ``About`` in ``web/src/model/about.ts``."""
    probe: Mapping[str, Any]
    """Expected result for a known image, as ``Probe`` in ``web/src/model/probe.ts``."""
    content: str
    """The ONNX file, compressed with xz and encoded in base64."""
    bits: int
    """Bits per weight."""
    difference: Mapping[str, float]
    """By output, on a photograph: the largest difference from float32 as a share of the largest value, or the share of
    pixels with a different class."""


def packed(job: Job, path: Path, *, bits: Sequence[int] = (BITS,), room: int | None = None) -> PageModel:
    """Return the network of an ONNX file for the page.

    Args:
        job: The export.
        path: The file, which is not changed.
        bits: Bits per weight to choose from, in descending order.
        room: Maximum length of ``content``, in characters.

    Raises:
        ValueError: The network is too large with any number of bits.
    """

    @cache
    def compressed(width: int) -> tuple[bytes, str]:
        file = rounded(path, width)
        return file, base64.b64encode(_xz(file, width)).decode()

    def fits(width: int) -> bool:
        return room is None or len(compressed(width)[1]) <= room

    number = bisect_left(bits, True, key=fits)  # compressing takes long, so as few times as possible
    if number == len(bits):
        size = len(compressed(bits[-1])[1])
        raise ValueError(
            f"{size / 1e6:.1f} MB with weights of {bits[-1]} bits, and there is room for {(room or 0) / 1e6:.1f} MB"
        )
    width = bits[number]
    return _described(job, path, *compressed(width), width)


def _described(job: Job, path: Path, file: bytes, content: str, bits: int) -> PageModel:
    """Return a network whose original file is ``path``, given the file for the page and its packed form."""
    run, run_original = onnx_file.run_of(file), onnx_file.run_of(path)
    height, width = job.size or PROBE
    means = [float(values.mean(dtype=float)) for values in run(_probe_pixels(height, width))]
    example = photograph(job.usual_size).numpy()
    differences = map(_difference, run_original(example), run(example))
    return PageModel(
        about=about(job),
        probe={"height": height, "width": width, "means": dict(zip(job.outputs, means, strict=True))},
        content=content,
        bits=bits,
        difference=dict(zip(job.outputs, differences, strict=True)),
    )


def _difference(expected: npt.NDArray[Any], actual: npt.NDArray[Any]) -> float:
    """Return the largest difference as a share of the largest value, or the share of pixels with a different class."""
    if expected.dtype.kind == "f":
        return float(np.abs(expected - actual).max() / (np.abs(expected).max() or 1))
    return float((expected != actual).mean())


def _xz(content: bytes, bits: int) -> bytes:
    """Compress for the small decoder of the page, which needs CRC32 and at most 16 MB of memory."""
    options = {"lp": 1, "pb": 1, "lc": 0} if bits > 8 else {}
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 1 << 24, **options}]
    return lzma.compress(content, check=lzma.CHECK_CRC32, filters=filters)


def _probe_pixels(height: int, width: int) -> npt.NDArray[np.uint8]:
    """Return the test image of ``web/src/model/probe.ts``, (1, 3, height, width)."""
    c, y, x = np.ogrid[:3, :height, :width]
    pixels: npt.NDArray[np.uint8] = ((x * (c + 2) + y * (5 - c)) % 256).astype(np.uint8)[None]
    return pixels
