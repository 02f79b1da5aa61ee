"""Surface normals and their encoding in 8-bit images."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt
from typing_extensions import override

from taskscape.batch import Target
from taskscape.modalities.base import Array, Mask, Modality
from taskscape.modalities.depth import Depth
from taskscape.modalities.linear import apply_matrix
from taskscape.modalities.observations import above, changes
from taskscape.serialization import counted

if TYPE_CHECKING:
    from torch import Tensor

_PIXELS = 1 << 20
"""Number of pixels encoded at a time."""
_SLOPE = 4
"""Distance in pixels over which the slope of depth is measured."""


@dataclass(frozen=True)
class Normals(Modality):
    """Surface normals, (H, W, 3): unit vectors in camera axes (x right, y down, z forward).

    Stores keep each component in steps of 1/127, which rotates a vector by at most 0.4°.
    """

    name: ClassVar[str] = "normals"
    title: ClassVar[str] = "surface normals"
    dtype: ClassVar[str] = "int8"
    shape: ClassVar[tuple[int, ...]] = (3,)
    sentinel: ClassVar[int | None] = 0

    @property
    @override
    def unit(self) -> str:
        return "unit vector"

    @override
    def check(self, values: Array) -> None:
        length = np.linalg.norm(values.astype(np.float32), axis=-1)
        if not np.all(np.abs(length - 1) < 0.01):
            raise ValueError("a valid normal is not of unit length: normalize it, or mark the pixel as not valid")

    @override
    def quantize(self, values: Array) -> Array:
        """Return the components in steps of 1/127; those of slightly longer vectors are clipped to -1..1."""
        return np.rint(np.clip(values.astype(np.float32), -1, 1) * 127)

    @override
    def unpack(self, stored: "Tensor") -> Target:
        """Return (B, 3, H, W) float32 unit vectors, zero where there is no label."""
        value = stored.permute(0, 3, 1, 2).contiguous().float()
        squares = _squares(value)
        return Target(value * squares.clamp_min(1).rsqrt_(), squares.squeeze(1) > 0)

    @override
    def warp(self, value: "Tensor", motion: "Tensor", depth_ratio: "Tensor") -> "Tensor":
        """Transform the normals with the inverse transpose of the motion, and normalize them."""
        turned = apply_matrix(motion.inverse().mT, value)
        return turned * _squares(turned).clamp_min_(1e-12).rsqrt_()

    @override
    def accumulate(self, target: Target) -> "Tensor":
        """Return the sum of the vectors."""
        return target.value.masked_fill(~target.valid.unsqueeze(1), 0.0).double().sum(0)

    @override
    def average(self, sums: "Tensor") -> "Tensor":
        """Return the mean direction, (3, H, W)."""
        length: Tensor = sums.norm(dim=0, keepdim=True)
        return sums / length.clamp_min(1e-12)

    @override
    def image_statistics(self, values: Array, valid: Mask) -> dict[str, float]:
        away = np.count_nonzero(valid & (values[..., 2] > 0.2)) / np.count_nonzero(valid)
        rows = slice(-(len(valid) // 4) or None, None)
        below = valid[rows]
        sideways, _, forward = (float(mean) for mean in values[valid].mean(0))
        statistics = {"away": away, "sideways": sideways, "forward": forward}
        if np.count_nonzero(below) >= below.size / 4:
            statistics["downwards"] = np.count_nonzero(below & (values[rows][..., 1] > 0.5)) / np.count_nonzero(below)
        return statistics

    @override
    def joint_statistics(
        self, values: Array, valid: Mask, other: Modality, label: tuple[Array, Mask]
    ) -> dict[str, float]:
        """Return the correlation of each component with the slopes of depth to the right and downwards, -1 … 1."""
        return _slope_correlations(values, valid, *label) if isinstance(other, Depth) else {}

    @override
    def statistics_warnings(self, statistics: Mapping[str, Mapping[str, float]]) -> list[str]:
        sentences = []
        if cases := above(statistics["away"], 0.1):
            sentences.append(
                f"{cases.agreeing('has', 'have')} normals that face away from the camera (z > 0 in "
                f"{100 * cases.value:.0f} % of the pixels): give the axes of the raw normals so that z points forward, "
                "or turn them from world into camera coordinates"
            )
        cases = above(statistics.get("downwards", {}), 0.5)
        if cases and cases.images > cases.of / 2:
            sentences.append(
                f"the ground seems to face down in {cases} (y > 0 in {100 * cases.value:.0f} % of its lowest quarter): "
                "give the axes of the raw normals so that y points down"
            )
        sentences += _judge_axes(statistics)
        means = np.array([list(statistics[name].values()) for name in ("sideways", "forward")])
        sideways, forward = means.mean(1)
        if abs(sideways) > 0.3 and abs(forward) < abs(sideways) / 2 and np.all(means[0] * sideways > 0):
            sentences.append(
                "x has the same sign everywhere, as z has in normals that face the camera: if the files have their "
                "channels in the order blue, green, red, set `axes: [z, y, x]`"
            )
        return sentences

    @override
    def edges(self, values: Array, valid: Mask) -> Mask:
        return changes(values, valid, lambda a, b: (a * b).sum(-1) < 0.8)


def _slope_correlations(values: Array, valid: Mask, depth: Array, has_depth: Mask) -> dict[str, float]:
    """Return how each component correlates with the slope of depth to the right (x) and downwards (y), -1 … 1.

    The inverse depth of a plane is linear in the image: 1/z = a·x + b·y + c, and its normal is -(a, b, c). So x has the
    opposite sign of the slope to the right and y that of the slope downwards, whatever the camera. Axes with few slopes
    are left out.
    """
    both_valid = valid & has_depth
    inverse = 1 / np.where(both_valid, depth, 1)
    correlations: dict[str, float] = {}
    for axis, name in ((1, "x"), (0, "y")):
        if both_valid.shape[axis] <= _SLOPE:
            continue
        steps = np.arange(both_valid.shape[axis] - _SLOPE)
        start, end = (np.take(inverse, steps + shift, axis) for shift in (0, _SLOPE))
        slopes = (start - end) / np.maximum(start, end)
        change_across = np.abs(slopes) * max(both_valid.shape) / _SLOPE
        # Neither facing the camera nor at the edge of an object.
        is_slanted = (change_across > 0.3) & (np.abs(slopes) < 0.2)
        for shift in range(_SLOPE + 1):
            is_slanted &= np.take(both_valid, steps + shift, axis)
        if np.count_nonzero(is_slanted) < both_valid.size / 20:
            continue
        vectors, slopes = np.take(values, steps + _SLOPE // 2, axis)[is_slanted].astype(np.float64), slopes[is_slanted]
        lengths = np.sqrt((vectors**2).sum(0) * (slopes**2).sum())
        fits = (slopes @ vectors) / np.maximum(lengths, 1e-12)
        correlations |= {
            f"{name} fit {component}": float(correlation) for component, correlation in zip("xyz", fits, strict=True)
        }
    return correlations


def _judge_axes(statistics: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Report axes whose slope of depth correlates, over all images, with a component other than their own."""
    sentences = []
    for index, axis in enumerate("xy"):
        fits = [statistics.get(f"{axis} fit {component}", {}) for component in "xyz"]
        if not fits[0]:
            continue
        means = np.array([np.mean(list(by_image.values())) for by_image in fits])
        best = int(np.abs(means).argmax())
        if abs(means[best]) > 0.5 and abs(means[best]) > means[index] + 0.3:
            worst = max(fits[best], key=lambda name: abs(fits[best][name]))
            sentences.append(
                f"the slopes of depth in {counted(len(fits[best]), 'image', 'images')}, such as "
                f"{worst}, are those of normals with {'-' if means[best] < 0 else ''}{'xyz'[best]} where {axis} is: "
                "give the axes of the raw normals so that x points right, y down and z forward"
            )
    return sentences


def encode_8bit(normals: Array) -> npt.NDArray[np.uint8]:
    """Encode normals (..., 3) as 8-bit RGB: n = v / 255 · 2 - 1; the zero vector, no normal, becomes (0, 0, 0)."""
    encoded = np.empty(normals.shape, np.uint8)
    pixels, written = normals.reshape(-1, 3), encoded.reshape(-1, 3)
    for start in range(0, len(pixels), _PIXELS):  # in parts, as intermediate arrays take ten times the image's memory
        part = pixels[start : start + _PIXELS].clip(-1, 1)
        has_normal = (part != 0).any(-1, keepdims=True)
        written[start : start + _PIXELS] = np.where(has_normal, np.rint((part.astype(np.float64) + 1) * 127.5), 0)
    return encoded


def decode_8bit(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Decode the vectors (..., 3) of ``encode_8bit``: about unit length, and zero for (0, 0, 0), no normal."""
    return np.asarray((rgb / 127.5 - 1) * rgb.any(-1, keepdims=True))


def _squares(x: "Tensor") -> "Tensor":
    """Return the squared length over three channels, (B, 1, H, W); on a CPU a hundred times as fast as ``x.norm``."""
    return x[:, 0:1].square() + x[:, 1:2].square() + x[:, 2:3].square()
