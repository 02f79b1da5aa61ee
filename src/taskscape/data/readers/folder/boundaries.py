"""The section of boundaries, drawn as lines in images."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from typing_extensions import override

from taskscape.data.readers.folder.section import Section
from taskscape.data.readers.samples import Samples, used_values
from taskscape.modalities import Boundaries
from taskscape.modalities.base import Array, Mask

_MANY = 8
"""More values than this suggest smoothed lines or probabilities."""


@dataclass(frozen=True, kw_only=True)
class BoundariesSection(Section):
    """Boundaries."""

    name: ClassVar[str] = "boundaries"
    channels: ClassVar[int | None] = 1

    lines: int | None = None
    """The value of a boundary pixel; by default every value except 0 and ``void``."""
    void: int | None = None
    """The value of pixels without a label."""

    def __post_init__(self) -> None:
        """Check the values. Raises ``ValueError``."""
        if self.lines is not None and self.lines == self.void:
            raise ValueError(f"lines and void are both {self.void}: a pixel is either a boundary or without a label")

    @override
    def modality(self) -> Boundaries:
        return Boundaries()

    @override
    def decode(self, label: Samples) -> tuple[Array, Mask]:
        named_values = [value for value in (self.lines, self.void) if value is not None]
        if label.palette is not None and not named_values:  # any color except black is a boundary
            label = replace(label, values=label.palette[label.values].max(-1), palette=None)
        elif max(named_values, default=0) >= 2**label.bits:  # given as displayed, but stored in fewer bits
            label = replace(label, values=label.shown())
        return super().decode(label)

    @override
    def doubts(self, labels: Sequence[Samples]) -> str:
        """Return a doubt if labels have many values, all of which count as boundaries."""
        count = max((len(used_values(label.values, label.opaque)) for label in labels), default=0)
        if self.lines is not None or count <= _MANY:
            return ""
        return (
            f"a label has {count} values, and all except 0 count as boundaries: if lines are smoothed, or the values "
            "are probabilities, save 1 where they exceed a threshold, and 0 elsewhere"
        )

    @override
    def read(self, stored: Array, exact: bool) -> tuple[Array, Mask]:
        valid = np.ones(stored.shape, np.bool_) if self.void is None else stored != self.void
        if stored.dtype.kind == "f":
            valid &= np.isfinite(stored)
        boundary = stored != 0 if self.lines is None else stored == self.lines
        return (boundary & valid).astype(np.uint8), valid
