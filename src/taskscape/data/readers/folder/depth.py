"""The section of depth or inverse depth, in any unit."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from typing_extensions import override

from taskscape.data.readers.folder.section import Section
from taskscape.data.readers.samples import Samples
from taskscape.modalities import Depth
from taskscape.modalities.base import Array, Mask

_METERS = {
    "meter": 1.0, "metre": 1.0, "m": 1.0,
    "centimeter": 0.01, "centimetre": 0.01, "cm": 0.01,
    "millimeter": 0.001, "millimetre": 0.001, "mm": 0.001,
    "unknown": 1.0,
}  # fmt: skip
_UNITS = "give meter, centimeter, millimeter, unknown or a positive number of meters"

_NEGATIVE = 0.01
"""Share of negative numbers, of more than ``_MANY`` values, above which they are doubted."""
_MANY = 8
_SATURATED = 65535
"""The largest number of 16 bits, which stands for no depth, or for all depths beyond a range."""


@dataclass(frozen=True, kw_only=True)
class DepthSection(Section):
    """Depth."""

    name: ClassVar[str] = "depth"
    channels: ClassVar[int | None] = 1

    unit: float | str
    """The unit: meter, centimeter, millimeter, a number of meters per step, or unknown."""
    inverse: bool = False
    """Whether the files hold 1/depth; the unit is then that of 1/value."""
    invalid: tuple[float, ...] | None = None
    """Values without depth; by default 65535 in files of 16 bits. NaN, infinity, non-positive values and the no-data
    value of a TIFF are always invalid."""

    @classmethod
    @override
    def plain(cls, keys: dict[str, Any]) -> dict[str, Any]:
        if keys.get("unit") is None:
            raise ValueError(f"unit is missing: {_UNITS}")
        invalid = keys.get("invalid")
        if isinstance(invalid, str):
            raise ValueError(f"invalid is {invalid!r}: give the numbers without depth, such as [0, 65535], or []")
        return {**keys, "invalid": [invalid]} if isinstance(invalid, int | float) else keys

    def __post_init__(self) -> None:
        """Check the unit. Raises ``ValueError``."""
        if not 0 < self.meters < math.inf:
            raise ValueError(f"unit is {self.unit!r}: {_UNITS}")

    @property
    def metric(self) -> bool:
        """Whether the depth is in a known unit."""
        return self.unit != "unknown"

    @property
    def meters(self) -> float:
        """Meters per step; 0 for an unknown name of a unit."""
        return _METERS.get(self.unit, 0.0) if isinstance(self.unit, str) else self.unit

    @override
    def modality(self) -> Depth:
        return Depth(self.metric)

    @override
    def doubts(self, labels: Sequence[Samples]) -> str:
        """Return a doubt about negative numbers, or different types of numbers, which usually have different units."""
        negative = np.concatenate([label.values[label.values < 0] for label in labels])
        if len(negative) > _NEGATIVE * sum(label.values.size for label in labels) and len(np.unique(negative)) > _MANY:
            return (
                f"the files hold negative numbers, such as {negative[0]:.5g}, which count as no depth: if they are "
                "logarithms or normalized, restore the depth; if they are 16-bit numbers with a sign that are too "
                "large for it, use array.view(numpy.uint16)"
            )
        types = dict.fromkeys(_in_words(label.values) for label in labels)
        if len(types) < 2:
            return ""
        return (
            f"the files hold {' and '.join(types)}, and all are read with the unit {self.unit}: if they have different "
            "units, convert one kind, or give each a folder and a section"
        )

    @override
    def read(self, stored: Array, exact: bool) -> tuple[Array, Mask]:
        if stored.dtype == np.uint8 and self.metric and not self.inverse and self.meters < 0.02:
            raise ValueError(
                f"has 8 bits, which end at {255 * self.meters:g} m: 16 bits are needed; "
                "export it again, or correct the unit"
            )
        values = stored.astype(np.float64)
        valid = np.isfinite(values) & (values > 0) & ~self._is_invalid(stored)
        depth = np.where(valid, values, 1)
        depth = self.meters / depth if self.inverse else self.meters * depth
        if not self.metric and valid.any():
            depth /= np.median(depth[valid])
        with np.errstate(over="ignore"):
            meters = depth.astype(np.float32)
        return meters, valid & np.isfinite(meters) & (meters > 0)

    @override
    def _stored(self, label: Samples) -> Array:
        """Return the numbers, and 0 for pixels that are transparent or hold the no-data value of a TIFF."""
        stored = super()._stored(label)
        hidden = np.zeros(stored.shape, np.bool_) if label.opaque is None else ~label.opaque
        if label.no_data is not None:
            is_float = stored.dtype.kind == "f"
            hidden |= stored == (stored.dtype.type(label.no_data) if is_float else label.no_data)
        return np.where(hidden, stored.dtype.type(0), stored)

    def _is_invalid(self, stored: Array) -> Mask:
        """Compare in the type of the file, at most float32, since 0.1 differs from Python's there."""
        invalid = self.invalid if self.invalid is not None else [_SATURATED] if stored.dtype == np.uint16 else []
        if stored.dtype.kind != "f":
            return np.isin(stored.astype(np.float64), invalid)
        float_type = np.float16 if stored.dtype.itemsize == 2 else np.float32
        with np.errstate(over="ignore"):
            return np.isin(stored.astype(float_type), np.array(invalid).astype(float_type))

    @override
    def about(self) -> dict[str, Any]:
        if not self.metric:
            return {"unit": "unknown", "formula": "proportional within an image; the median of every image is 1"}
        return {"unit": "meter", "formula": f"{self.meters:g} {'/' if self.inverse else '*'} value"}


def _in_words(values: Array) -> str:
    """Return the type of the numbers; the number of bits distinguishes only 8 from more, as Pillow widens some."""
    if values.dtype.kind == "f":
        return "floating-point numbers"
    return "8-bit integers" if values.dtype.itemsize == 1 else "integers of more than 8 bits"
