"""The section of surface normals, in any axes."""

from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import override

from taskscape.data.readers.folder.section import Section
from taskscape.data.readers.labels import unit_vectors
from taskscape.data.readers.normals_from_depth import Axes
from taskscape.modalities import Normals
from taskscape.modalities.base import Array, Mask
from taskscape.modalities.normals import decode_8bit


@dataclass(frozen=True, kw_only=True)
class NormalsSection(Section):
    """Surface normals."""

    name: ClassVar[str] = "normals"

    axes: tuple[str, str, str] = ("x", "y", "z")
    """The stored components in the order right, down, forward; -y where y is up."""

    def __post_init__(self) -> None:
        """Check the axes. Raises ``ValueError``."""
        if sorted(axis.removeprefix("-") for axis in self.axes) != ["x", "y", "z"]:
            raise ValueError(f"axes is {list(self.axes)}: name x, y and z once each, with a minus where turned")

    @override
    def modality(self) -> Normals:
        return Normals()

    @override
    def read(self, stored: Array, exact: bool) -> tuple[Array, Mask]:
        if stored.shape[2:] != (3,):
            raise ValueError(f"has shape {stored.shape} instead of (H, W, 3): convert it")
        normals, valid = unit_vectors(stored if exact else decode_8bit(stored))
        a, b, c = ("xyz".index(axis.removeprefix("-")) for axis in self.axes)
        p, q, r = (-1 if axis.startswith("-") else 1 for axis in self.axes)
        return Axes((a, b, c), (p, q, r)).applied(normals), valid
