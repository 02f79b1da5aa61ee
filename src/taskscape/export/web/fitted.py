"""Fit a network into a page of one file, with as many bits per weight as its size allows."""

from pathlib import Path

from taskscape.export.formats import Job
from taskscape.export.web.model import PageModel, packed
from taskscape.export.web.page import MOST_BYTES, single_page

BITS = (12, 11, 10, 9, 8, 6)
"""Bits per weight to choose from, in descending order."""
SPARE = 50_000
"""Bytes reserved for the description of the network."""


def largest_fitting(job: Job, path: Path) -> PageModel:
    """Return the network of an ONNX file, with as many bits per weight as fit into a page of ``MOST_BYTES``.

    Raises ``ValueError`` if the network is too large.
    """
    empty = PageModel({}, {}, "", BITS[0], {})
    room = MOST_BYTES - len(single_page(empty).encode()) - SPARE
    try:
        return packed(job, path, bits=BITS, room=room)
    except ValueError as error:
        raise ValueError(
            f"the network is too large for a page of one file, {MOST_BYTES / 1e6:g} MB ({error}): "
            "leave --single out, or export fewer --tasks"
        ) from error
