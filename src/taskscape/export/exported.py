"""The outcome of an export."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from taskscape.export.formats import Reduced
from taskscape.export.measured import Measured
from taskscape.export.parity import Parity


@dataclass(frozen=True)
class Exported:
    """What was written."""

    path: Path
    """The file, or what a wrapper made of it."""
    bytes: int
    """Its size, with the weights that stand beside it."""
    parity: Mapping[str, Parity]
    """By output, such as the task: how far its values are from the network's."""
    pictures: int
    """On so many."""
    seconds: tuple[float, float]
    """For an image of the size that the run was evaluated on, or that the file takes: the network here, and the
    file."""
    measured: Measured | None
    """Metrics before and after, where validation data are at hand."""
    reduced: Reduced | None = None
    """What a reduction did, where there was one."""
