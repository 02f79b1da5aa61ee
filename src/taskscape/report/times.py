"""Times of several networks that were measured together, so that they can be compared."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Times:
    """Seconds of a forward pass, by the folder of the run; the networks took turns in one process."""

    latency: Mapping[str, float]
    """Of one image alone."""
    seconds_per_image: Mapping[str, float]
    """In batches."""
    conditions: str
    """Where: device, threads, size of the images and batches."""
