"""Depth: colored by its logarithm, with near bright and far dark; written as 16-bit integers."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self

import numpy as np
from PIL import Image
from typing_extensions import override

from taskscape.modalities.base import Array, Mask
from taskscape.modalities.depth import Depth
from taskscape.views.arrays import RgbArray
from taskscape.views.base import View, mean_per_image
from taskscape.views.colors import apply_scale, color_table
from taskscape.views.key import Key, Scale

DEPTH = "magma_r"
"""Near is bright and far is dark. Lightness decreases evenly, so the order is readable without color vision."""
RELATIVE_ERROR = "RdBu"
"""Red where the prediction is too near, blue where it is too far."""
LARGEST_ERROR = 0.5
"""Relative error at both ends of the difference scale."""

Unit = Literal["mm", "cm", "dm", "m"]
STEPS_PER_METER: dict[Unit, int] = {"mm": 1000, "cm": 100, "dm": 10, "m": 1}
LARGEST_STEP = 65535
"""Largest 16-bit value: 65.5 m in millimeters, 655 m in centimeters."""

TICKS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


@dataclass(frozen=True)
class DepthView(View[Depth]):
    """Values are (...) depths, positive and finite, in meters or proportional to meters within an image."""

    file_remedy: ClassVar[str] = "leave out the unit to get one that reaches far enough"

    unit: Unit | None = None
    """Unit of the 16-bit file; by default the finest one that covers the network's depth range, or mm if this is
    unknown. Larger depths than 65535 units are stored as 65535."""
    near: float | None = None
    """Start of the color scale in meters; by default the 2nd percentile of the depths."""
    far: float | None = None
    """End of the color scale in meters; by default the 98th percentile of the depths."""

    def __post_init__(self) -> None:
        for name, end in (("near", self.near), ("far", self.far)):
            if end is not None and not 0 < end < np.inf:
                raise ValueError(f"{name} is {end:g} m: the ends of the depth scale must be 0 < near < far")
        if self.near is not None and self.far is not None and not self.near < self.far:
            raise ValueError(
                f"the depth scale is from {self.near} m to {self.far} m: it must be 0 < near < far; give both ends or "
                "none"
            )

    @property
    @override
    def axis(self) -> str:
        return "meters" if self.modality.metric else "medians of the image"

    @override
    def fit(self, values: Array, valid: Mask | None = None) -> Self:
        if self.near is not None and self.far is not None:
            return self
        depths = values[measurable(values, valid)]
        near, far = np.percentile(depths, [2, 98]).tolist() if depths.size else (1.0, 100.0)
        if self.near is not None:
            near = self.near
        elif self.far is not None:
            near = min(near, self.far / 1.01)
        far = max(far, near * 1.01) if self.far is None else self.far
        return replace(self, near=near, far=far)

    @override
    def within(self, smallest: float, largest: float) -> Self:
        """Return this view with the finest unit that covers the largest depth, unless a unit is set."""
        if self.unit is not None:
            return self
        units = (unit for unit, steps in STEPS_PER_METER.items() if largest * steps <= LARGEST_STEP)
        return replace(self, unit=next(units, "m"))

    @override
    def align(self, prediction: Array, label: Array, valid: Mask) -> Array:
        """Return relative depth scaled to the median of each image's label; metric depth is unchanged."""
        if self.modality.metric:
            return prediction
        valid = measurable(label, valid)
        factors = [
            np.median(y[v]) / np.median(p[v]) if v.any() else 1.0
            for p, y, v in zip(prediction, label, valid, strict=True)
        ]
        return np.asarray(prediction * np.array(factors, prediction.dtype)[:, None, None])

    @override
    def colorize(self, values: Array, valid: Mask | None = None) -> RgbArray:
        """Return colors by the logarithm of depth, on the fitted scale or one fitted to these values.

        Depths that are not positive and finite become ``INVALID``.
        """
        valid = measurable(values, valid)
        fitted = self.fit(values, valid)
        near, far = fitted.near, fitted.far
        assert near is not None and far is not None
        log = np.log(np.where(valid, values, near))
        return apply_scale((log - np.log(near)) / (np.log(far) - np.log(near)), valid, DEPTH)

    @override
    def comparable(self, values: Array) -> Array:
        """Return relative depth divided by its median; metric depth is unchanged."""
        usable = measurable(values)
        if self.modality.metric or not usable.any():
            return values
        return np.asarray(values / np.median(values[usable]))

    @override
    def preview(self, image: RgbArray, values: Array) -> RgbArray:
        return self.colorize(self.comparable(values))

    @override
    def difference(self, label: Array, prediction: Array, valid: Mask) -> RgbArray:
        """Return the relative error: red where the prediction is too near, blue where it is too far."""
        valid = measurable(label, valid) & np.isfinite(prediction)
        true = np.where(valid, label, 1.0)
        relative = (np.where(valid, prediction, 1.0) - true) / true
        return apply_scale(relative / (2 * LARGEST_ERROR) + 0.5, valid, RELATIVE_ERROR)

    @override
    def scores(self, label: Array, prediction: Array, valid: Mask) -> list[str]:
        valid = measurable(label, valid)
        relative = np.abs(prediction - label) / np.where(valid, label, 1.0)
        return mean_per_image(relative, valid, "{:.3f} relative error")

    @override
    def coloring(self) -> Mapping[str, Any]:
        colors = color_table(DEPTH).tolist()
        ends = (self.near, self.far) if self.modality.metric else (None, None)  # relative depth has no common scale
        return {"scale": {"colors": colors, "from": ends[0], "to": ends[1], "logarithmic": True}}

    @override
    def key(self) -> Key:
        """Return the scale in meters, or in medians for relative depth; its ends include nearer and farther values."""
        notes = () if self.modality.metric else ("Relative depth: 1 is the median of the image.",)
        if self.near is None or self.far is None:
            return (*notes, Scale(DEPTH, [(0.0, "near"), (1.0, "far")]))
        near, far, unit = self.near, self.far, " m" if self.modality.metric else ""
        inner = [(float(np.log(x / near) / np.log(far / near)), f"{x:g}") for x in TICKS if near < x < far]
        ticks = [
            (0.0, f"{_rounded(near)}{unit} or less"),
            *((position, label) for position, label in inner if 0.3 < position < 0.7),
            (1.0, f"{_rounded(far)}{unit} or more"),
        ]
        return (*notes, Scale(DEPTH, ticks))

    @override
    def difference_key(self) -> Key:
        return (
            "Difference relative to the true depth: red where the prediction is too near, blue where it is too far.",
            Scale(RELATIVE_ERROR, [(0.0, "−0.5 or more"), (0.5, "0"), (1.0, "+0.5 or more")]),
        )

    @override
    def encode(self, values: Array) -> Image.Image:
        """Return depth in units of ``unit`` as 16-bit integers, from 1 to 65535."""
        steps = np.rint(values * self._steps).clip(1, LARGEST_STEP)
        return Image.fromarray(steps.astype(np.uint16))

    @override
    def metadata(self) -> Mapping[str, Any]:
        metric = self.modality.metric
        content: dict[str, Any] = {
            "type": self.modality.name,
            "unit": "meter" if metric else "unknown: proportional to meters within an image",
            "meters_per_step" if metric else "value_per_step": 1 / self._steps,
            "none": 0,
            "clipped_beyond": LARGEST_STEP / self._steps,
        }
        if self.near is not None and self.far is not None:
            content["colors_of_views"] = {"near": self.near, "far": self.far, "in": self.axis}
        return content

    @override
    def beyond_file(self, values: Array) -> Mask:
        beyond: Mask = values * self._steps >= LARGEST_STEP + 0.5
        return beyond

    @property
    def _steps(self) -> int:
        """Units of the file per meter."""
        return STEPS_PER_METER[self.unit or "mm"]


def measurable(depth: Array, valid: Mask | None = None) -> Mask:
    """Return the mask of depths that are positive and finite (and valid)."""
    usable: Mask = np.isfinite(depth) & (depth > 0)
    return usable if valid is None else np.logical_and(usable, valid)


def _rounded(depth: float) -> str:
    """Return a depth with two significant digits, or in whole meters from 99.5."""
    return f"{depth:.2g}" if depth < 99.5 else f"{depth:.0f}"
