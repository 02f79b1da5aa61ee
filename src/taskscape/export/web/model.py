"""A network in the format of the page: packed bytes and their description."""

import base64
import lzma
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

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


def packed(
    job: Job, path: Path, *, bits: Sequence[int] = (BITS,), room: int | None = None, name: str = ""
) -> PageModel:
    """Return the network of an ONNX file for the page.

    Args:
        job: The export.
        path: The file, which is not changed.
        bits: Bits per weight to choose from, in descending order.
        room: Maximum length of ``content``, in characters.
        name: Name of the network in the page; by default that of its folder or of the released model.

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
    file, content = compressed(width)
    return _described(job, path, file, PageModel({}, {}, content, width, {}), name)


def _described(job: Job, path: Path, file: bytes, model: PageModel, name: str) -> PageModel:
    size = job.size or PROBE
    example = photograph(job.usual_size).numpy()
    original_session, rounded_session = _session(path.read_bytes()), _session(file)
    probe = _run(rounded_session, _probe_pixels(*size))
    means = {output: float(values.mean(dtype=float)) for output, values in probe.items()}
    return replace(
        model,
        about=about(job, name),
        probe={"height": size[0], "width": size[1], "means": means},
        difference=_differences(_run(original_session, example), _run(rounded_session, example)),
    )


def _session(content: bytes) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])


def _run(session: Any, image: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[Any]]:
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"image": image}), strict=True))


def _differences(
    original_outputs: Mapping[str, npt.NDArray[Any]], rounded_outputs: Mapping[str, npt.NDArray[Any]]
) -> dict[str, float]:
    differences = {}
    for name, expected in original_outputs.items():
        if expected.dtype.kind == "f":
            differences[name] = float(np.abs(expected - rounded_outputs[name]).max() / (np.abs(expected).max() or 1))
        else:
            differences[name] = float((expected != rounded_outputs[name]).mean())
    return differences


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
