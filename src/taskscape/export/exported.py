"""The result of an export."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from taskscape.export.formats import Reduced
from taskscape.export.measured import Measured
from taskscape.export.parity import Parity


@dataclass(frozen=True)
class Exported:
    """The result of an export."""

    path: Path
    """The file, or the result of a wrapper."""
    bytes: int
    """Its size, including separate weights."""
    parity: Mapping[str, Parity]
    """Differences from the network by output, such as the task."""
    pictures: int
    """Number of images on which they were compared."""
    seconds: tuple[float, float]
    """Time for one image, of the network in PyTorch and of the file. Its size is that of the file's images, or if the
    file takes any, that on which the run was evaluated."""
    measured: Measured | None
    """Metrics before and after the export, if validation data are available."""
    reduced: Reduced | None = None
    """The effect of a reduction, if there was one."""
