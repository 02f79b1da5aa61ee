"""The section of surface normals, in any axes."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from typing_extensions import override

from taskscape.data.readers.folder.section import Section
from taskscape.data.readers.labels import decoded_vectors, unit_vectors
from taskscape.data.readers.normals_from_depth import Axes
from taskscape.modalities import Normals
from taskscape.modalities.base import Array, Mask


@dataclass(frozen=True, kw_only=True)
class NormalsSection(Section):
    """Surface normals."""

    name: ClassVar[str] = "normals"
    channels: ClassVar[int | None] = 3

    axes: tuple[str, str, str] = ("x", "y", "z")
    """The stored components in the order right, down, forward; -y if y is up."""

    def __post_init__(self) -> None:
        """Check the axes. Raises ``ValueError``."""
        if sorted(axis.removeprefix("-") for axis in self.axes) != ["x", "y", "z"]:
            raise ValueError(f"axes is {list(self.axes)}: name x, y and z once each, with a minus if reversed")

    @override
    def modality(self) -> Normals:
        return Normals()

    @override
    def read(self, stored: Array, exact: bool) -> tuple[Array, Mask]:
        vectors = decoded_vectors(stored)
        normals, valid = unit_vectors(vectors)
        lengths = np.linalg.norm(vectors.astype(np.float64), axis=-1)
        is_corner = (np.abs(vectors) == 1).all(-1)  # a decoded black or white pixel, which stands for no normal
        lengths = lengths[np.isfinite(lengths) & (lengths > 0.5) & ~is_corner]
        if lengths.size:
            length = float(np.median(lengths))
            if not 0.9 < length < 1.1:
                raise ValueError(
                    f"holds vectors of length {length:.3g} (their median) where unit vectors belong: decode them "
                    "(n = 2 · v - 1 for values in 0..1) or divide them by their length"
                )
        a, b, c = ("xyz".index(axis.removeprefix("-")) for axis in self.axes)
        p, q, r = (-1 if axis.startswith("-") else 1 for axis in self.axes)
        turned = Axes((a, b, c), (p, q, r)).applied(normals)
        if valid.any() and (share_away := float(np.mean(turned[valid][:, 2] > 0.1))) > 0.5:
            raise ValueError(
                f"has normals that face away from the camera in {100 * share_away:.0f} % of its labeled pixels: name "
                "the axes right, down, forward of the files, such as `axes: [x, -y, -z]` if y is up and z is towards "
                "the camera; turn normals in world coordinates into camera coordinates first"
            )
        return turned, valid
