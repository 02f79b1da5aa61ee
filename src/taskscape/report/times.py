"""Comparable times of several networks, measured together."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Times:
    """Seconds of a forward pass by run folder, measured with the networks interleaved in one process."""

    latency: Mapping[str, float]
    """For a single image."""
    seconds_per_image: Mapping[str, float]
    """Per image, in batches."""
    conditions: str
    """Device, threads, image size and batch size."""
