"""The section of depth, in any unit, or its inverse."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from typing_extensions import override

from taskscape.data.readers.folder.section import Section
from taskscape.modalities import Depth
from taskscape.modalities.base import Array, Mask

_METRES = {"metre": 1.0, "centimetre": 0.01, "millimetre": 0.001, "unknown": 1.0}


@dataclass(frozen=True, kw_only=True)
class DepthSection(Section):
    """Depth."""

    name: ClassVar[str] = "depth"

    unit: float | str
    """metre, centimetre, millimetre, a number of metres per step, or unknown."""
    inverse: bool = False
    """Whether the files hold 1/depth; the unit is then that of 1/value."""
    invalid: tuple[float, ...] = (0.0,)
    """Values without a depth; NaN, infinity and what is not above 0 never have one."""

    def __post_init__(self) -> None:
        """Check the unit. Raises ``ValueError``."""
        if not self.metres > 0:
            raise ValueError(
                f"unit is {self.unit!r}: give metre, centimetre, millimetre, unknown or a positive number of metres"
            )

    @property
    def metric(self) -> bool:
        """Whether the depth is in a known unit."""
        return self.unit != "unknown"

    @property
    def metres(self) -> float:
        """The metres of one step; 0 for a unit that does not exist."""
        return _METRES.get(self.unit, 0.0) if isinstance(self.unit, str) else self.unit

    @override
    def modality(self) -> Depth:
        return Depth(self.metric)

    @override
    def read(self, stored: Array, exact: bool) -> tuple[Array, Mask]:
        if stored.size != stored.shape[0] * stored.shape[1]:
            raise ValueError(f"has shape {stored.shape} instead of (H, W): it is no depth but an image of one")
        if stored.dtype == np.uint8 and self.metric and not self.inverse and self.metres < 0.02:
            raise ValueError(
                f"has 8 bits, which end at {255 * self.metres:g} m: 16 bits belong here; "
                "export it again, or correct the unit"
            )
        values = stored.reshape(stored.shape[:2]).astype(np.float64)
        valid = np.isfinite(values) & (values > 0) & ~np.isin(values, self.invalid)
        depth = np.where(valid, values, 1)
        depth = self.metres / depth if self.inverse else self.metres * depth
        if not self.metric and valid.any():
            depth /= np.median(depth[valid])
        return depth.astype(np.float32), valid

    @override
    def about(self) -> dict[str, Any]:
        if not self.metric:
            return {"unit": "unknown", "formula": "proportional within an image; the median of every image is 1"}
        return {"unit": "metre", "formula": f"{self.metres:g} {'/' if self.inverse else '*'} value"}
