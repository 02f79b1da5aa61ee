"""Depth: colored by its logarithm, near bright and far dark; written as 16-bit integers."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np
from PIL import Image
from typing_extensions import override

from taskscape.modalities.depth import Depth
from taskscape.views.base import Array, Mask, RgbArray, View, mean_per_image
from taskscape.views.colors import apply_scale
from taskscape.views.legend import color_scale

DEPTH = "magma_r"
"""Near is bright, far is dark."""
RELATIVE_ERROR = "RdBu"
"""Predicted too near is red, too far blue."""
LARGEST_ERROR = 0.5
"""Relative error at both ends of the scale of differences."""

STEPS_PER_METRE = {"mm": 1000, "cm": 100}
LARGEST_STEP = 65535
"""Of 16 bits: millimetres end at 65.5 m, centimetres at 655 m."""

TICKS = (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500)


@dataclass(frozen=True)
class DepthView(View[Depth]):
    """Values are (...) depths, positive and finite, in metres or proportional to metres within an image."""

    unit: Literal["mm", "cm"] = "mm"
    """One step of the 16-bit file. Depth of more than 65535 steps is stored as 65535."""
    near: float | None = None
    """Start of the color scale in metres; by default the 2nd percentile of the depths."""
    far: float | None = None
    """End of the color scale in metres; by default the 98th percentile of the depths."""

    def __post_init__(self) -> None:
        if self.near is not None and self.far is not None and not 0 < self.near < self.far:
            raise ValueError(
                f"a depth scale from {self.near} m to {self.far} m: it must be 0 < near < far; give both ends or none"
            )

    @property
    @override
    def axis(self) -> str:
        return "metres" if self.modality.metric else "medians of the image"

    @override
    def fit(self, values: Array, valid: Mask | None = None) -> Self:
        depths = values[measurable(values, valid)]
        near, far = np.percentile(depths, [2, 98]).tolist() if depths.size else (1.0, 100.0)
        near = near if self.near is None else self.near
        far = max(far, near * 1.01) if self.far is None else self.far
        return replace(self, near=near, far=far)

    @override
    def align(self, prediction: Array, label: Array, valid: Mask) -> Array:
        """Return relative depth with the median of each image's label; metric depth unchanged."""
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
        """Return colors by the logarithm of depth, on the fitted scale or that of these values.

        Depths that are not positive and finite become ``INVALID``.
        """
        valid = measurable(values, valid)
        near, far = self._scale(values, valid)
        log = np.log(np.where(valid, values, near))
        return apply_scale((log - np.log(near)) / (np.log(far) - np.log(near)), valid, DEPTH)

    @override
    def difference(self, label: Array, prediction: Array, valid: Mask) -> RgbArray:
        """Return the relative error: too near is red, too far blue."""
        valid = measurable(label, valid) & np.isfinite(prediction)
        true = np.where(valid, label, 1.0)
        relative = (np.where(valid, prediction, 1.0) - true) / true
        return apply_scale(relative / (2 * LARGEST_ERROR) + 0.5, valid, RELATIVE_ERROR)

    @override
    def scores(self, label: Array, prediction: Array, valid: Mask) -> list[str]:
        valid = measurable(label, valid)
        relative = np.abs(prediction - label) / np.where(valid, label, 1.0)
        return mean_per_image(100.0 * relative, valid, "{:.1f} % error")

    @override
    def legend(self, label: Array, prediction: Array, valid: Mask) -> str:
        near, far = self._scale(label, valid)
        unit = "m" if self.modality.metric else "of the median"
        ticks = [(float(np.log(m / near) / np.log(far / near)), f"{m:g} {unit}") for m in TICKS if near <= m <= far]
        return (
            color_scale(DEPTH, ticks)
            + "<p>Difference, relative to the true depth: red is predicted too near, blue too far.</p>"
            + color_scale(
                RELATIVE_ERROR, [(0.0, "−50 %"), (0.25, "−25 %"), (0.5, "0"), (0.75, "+25 %"), (1.0, "+50 %")]
            )
        )

    @override
    def encode(self, values: Array) -> Image.Image:
        """Return 16-bit steps of ``unit``, from 1 to 65535."""
        steps = np.rint(values * STEPS_PER_METRE[self.unit]).clip(1, LARGEST_STEP)
        return Image.fromarray(steps.astype(np.uint16))

    @override
    def metadata(self) -> Mapping[str, Any]:
        steps = STEPS_PER_METRE[self.unit]
        metric = self.modality.metric
        return {
            "type": self.modality.name,
            "unit": "metre" if metric else "unknown: proportional to metres within an image",
            "metres_per_step" if metric else "value_per_step": 1 / steps,
            "none": 0,
            "clipped_beyond": LARGEST_STEP / steps,
        }

    def _scale(self, values: Array, valid: Mask | None) -> tuple[float, float]:
        fitted = self.fit(values, valid)
        assert fitted.near is not None and fitted.far is not None
        return fitted.near, fitted.far


def measurable(depth: Array, valid: Mask | None = None) -> Mask:
    """Return where a depth is a positive finite number (and valid)."""
    usable: Mask = np.isfinite(depth) & (depth > 0)
    return usable if valid is None else np.logical_and(usable, valid)
