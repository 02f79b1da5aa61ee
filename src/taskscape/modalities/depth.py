"""Depth along the optical axis."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from typing_extensions import override

from taskscape.batch import Target
from taskscape.modalities.base import Array, Counts, Mask, Modality
from taskscape.modalities.observations import above
from taskscape.serialization import agreeing

if TYPE_CHECKING:
    from torch import Tensor

PLAUSIBLE = (0.3, 150.0)
"""Plausible range of a split's median depth in meters, for rooms and streets."""
PILE = 0.005
"""Share of the pixels above which equal values at one end of the range count as a pile-up."""
METERS_AT_DISPARITY_1 = 0.209313 * 2262.52 / 256
"""Depth in meters where MTAN's Cityscapes quantity q = (p - 1) / 65536 is 1: baseline · focal length in pixels / 256,
as in most of the images."""
OTHER_UNIT = 5.0
"""Factor between the depth of an image and that of the others, at near, middle and far pixels alike, that suggests
another unit."""
OTHER_UNIT_OF_SPLIT = 3.0
"""The same between two splits."""
_FEW = 3
"""Minimum number of images for comparing them with each other."""
_FEW_GROUNDS = 5
"""Minimum number of images for judging which way depth grows."""
_QUANTILES = {"nearer": 0.1, "middle": 0.5, "farther": 0.9}
"""Quantiles of depth by which images and splits are compared."""
_EDGES = np.array([0.0, *2.0 ** np.arange(-2, 9), np.inf])
"""Bin edges of the histogram: octaves from 0.25 to 256, and one bin on either side."""


@dataclass(frozen=True)
class Depth(Modality):
    """Depth of every pixel along the optical axis, (H, W)."""

    name: ClassVar[str] = "depth"
    hub_task: ClassVar[str] = "depth-estimation"
    # Half precision would round by up to 0.05 % and overflow at 65 km, which raw disparities reach.
    dtype: ClassVar[str] = "float32"
    sentinel: ClassVar[int | None] = 0

    metric: bool = True
    """Whether the depth is in meters. Relative depth is proportional to meters only within an image; in stores, the
    median of every image is 1."""

    @property
    @override
    def unit(self) -> str:
        return "meter" if self.metric else "median of the image"

    @override
    def conversion_to(self, other: Modality, how: str = "") -> Callable[[Target], Target]:
        if isinstance(other, Depth) and other.metric != self.metric:
            mine, theirs = ("metric", "relative") if self.metric else ("relative", "metric")
            raise ValueError(
                f"its depth is {mine}, but {theirs} in other data, and the two cannot be combined: leave one out"
            )
        return super().conversion_to(other, how)

    @override
    def check(self, values: Array) -> None:
        if not np.all((values > 0) & (values < np.inf)):
            raise ValueError("a valid depth is not a positive, finite number of meters: mark such pixels as not valid")

    @override
    def as_label(self, values: Array, valid: Mask) -> Array:
        """Return relative depth whose valid pixels have a median of 1."""
        if self.metric or not valid.any():
            return values
        return np.asarray(values / np.median(values[valid]), np.float32)

    @override
    def align_to_label(self, values: Array, label: Array, is_labeled: Mask) -> Array:
        """Return relative depth that has the label's median at the labeled pixels."""
        if self.metric or not is_labeled.any():
            return values
        return np.asarray(values * (np.median(label[is_labeled]) / np.median(values[is_labeled])), np.float32)

    @override
    def unpack(self, stored: "Tensor") -> Target:
        """Return (B, 1, H, W) float32 depth, 0 where there is no label."""
        return Target(stored.unsqueeze(1), stored.bool())  # a comparison takes five times as long

    @override
    def warp(self, value: "Tensor", motion: "Tensor", depth_ratio: "Tensor") -> "Tensor":
        return value / depth_ratio

    @override
    def accumulate(self, target: Target) -> "Tensor":
        """Return the sum of the logarithms and the number of labels."""
        import torch

        valid = target.valid.unsqueeze(1)
        return torch.cat([target.value.masked_fill(~valid, 1.0).log(), valid.float()], 1).double().sum(0)

    @override
    def average(self, sums: "Tensor") -> "Tensor":
        """Return the geometric mean, (1, H, W)."""
        return (sums[:1] / sums[1:].clamp(min=1)).exp()

    @property
    @override
    def bins(self) -> tuple[str, ...]:
        return tuple(f"{low:g} … {high:g}" for low, high in pairwise(_EDGES))

    @override
    def histogram(self, values: Array) -> Counts:
        return np.histogram(values, _EDGES)[0]

    @override
    def median(self, values: Array) -> float | None:
        """Return the median of metric depth; None for relative depth, whose median is 1."""
        return float(np.median(values)) if self.metric else None

    @override
    def histogram_warnings(self, counts: Counts, median: float | None) -> list[str]:
        nearest, farthest = PLAUSIBLE
        if median is None or nearest <= median <= farthest:
            return []
        return [
            f"the median depth is {median:.3g} m, not {nearest:g} … {farthest:g} m as in rooms and streets: "
            "check the unit it was prepared with"
        ]

    @override
    def image_statistics(self, values: Array, valid: Mask) -> dict[str, float]:
        pixels = values[valid].astype(np.float32)
        near, far = float(pixels.min()), float(pixels.max())
        if near == far:
            return {"constant": 1.0}
        return _below_to_above(values, valid) | {
            "constant": 0.0,
            "near": near,
            "far": far,
            **dict(zip(_QUANTILES, map(float, np.quantile(pixels, list(_QUANTILES.values()))), strict=True)),
            "pile near": _pile(pixels / near),
            "pile far": _pile(far / pixels),
            "spikes": _spikes(values, valid),
        }

    @override
    def statistics_warnings(self, statistics: Mapping[str, Mapping[str, float]]) -> list[str]:
        sentences = []
        if cases := above(statistics["constant"], 0):
            sentences.append(
                f"{cases.agreeing('has', 'have')} the same depth at every pixel: check the files, or leave their depth "
                "out"
            )
        sentences += self._judge_pile(statistics.get("near", {}), statistics.get("pile near", {}))
        piled = self._judge_pile(statistics.get("far", {}), statistics.get("pile far", {}))
        sentences += piled or (_judge_farthest(statistics.get("far", {})) if self.metric else [])
        sentences += _judge_units(statistics) if self.metric else []
        cases = above(statistics.get("below to above", {}), 1.1)
        if cases and cases.of >= _FEW_GROUNDS and cases.images > 0.75 * cases.of:
            sentences.append(
                f"the lowest quarter is farther than the upper half in {cases} ({cases.value:.2g} times), but the "
                "ground is usually nearer than what is above it: if the files hold disparity or inverse depth, say so "
                "(`inverse: true`)"
            )
        if cases := above(statistics.get("spikes", {}), 0.005):
            sentences.append(
                f"{cases.agreeing('has', 'have')} spikes ({100 * cases.value:.1f} % of the pixels are less than half "
                "or more than twice as far as all four neighbors): name the value that means no depth as invalid, or "
                "filter the depth"
            )
        return sentences

    @override
    def split_warnings(self, counts: Mapping[str, Counts]) -> list[str]:
        """Report splits whose depth has another scale than that of the first, for example because of another unit."""
        if not self.metric:
            return []
        (first, reference), *others = ((split, _octaves(histogram)) for split, histogram in counts.items())
        sentences = []
        for split, octaves in others:
            ratios = octaves - reference
            if min(np.abs(ratios)) > np.log2(OTHER_UNIT_OF_SPLIT) and np.ptp(np.sign(ratios)) == 0:
                way = "far" if ratios[1] > 0 else "near"
                sentences.append(
                    f"{split} is {2 ** abs(ratios[1]):.2g} times as {way} as {first}, at near and far pixels alike: "
                    "check that the files of both have the same unit"
                )
        return sentences

    @override
    def edges(self, values: Array, valid: Mask) -> Mask:
        """Return where the surface is not planar; on a plane, inverse depth is linear in image coordinates."""
        inverse = 1 / np.where(valid, values, 1)
        bent = np.zeros(valid.shape, np.bool_)
        for x, labeled, output in ((inverse, valid, bent), (inverse.T, valid.T, bent.T)):  # along columns, along rows
            curvature = np.abs(x[:-2] + x[2:] - 2 * x[1:-1])
            output[1:-1] |= (curvature > 0.15 * x[1:-1]) & labeled[:-2] & labeled[1:-1] & labeled[2:]
        return bent

    def _judge_pile(self, ends: Mapping[str, float], piles: Mapping[str, float]) -> list[str]:
        """Report many equal pixels at one end of the range: a sentinel, or a clipped range."""
        piled = {name: share for name, share in piles.items() if share > PILE}
        if self.metric and piled:  # a plane that faces the camera has one depth, but a different one in each image
            value, _ = Counter(ends[name] for name in piled).most_common(1)[0]
            piled = {name: share for name, share in piled.items() if ends[name] == value}
        cases = above(piled, 0)
        if cases is None or cases.images < max(min(3, len(piles)), len(piles) / 10):
            return []
        value_name = f"exactly {ends[cases.name]:.6g} m" if self.metric else "one value at an end of the range"
        return [
            f"{cases.images} of {len(piles)} images, such as {cases.name} ({100 * cases.value:.1f} % of the pixels), "
            f"{agreeing(cases.images, 'has', 'have')} many pixels of {value_name}: if this value means no depth or "
            "beyond the range, name it as invalid"
        ]


def _judge_farthest(far: Mapping[str, float]) -> list[str]:
    """Report images that end at the same farthest depth, as if each had been divided by its maximum."""
    if len(far) < _FEW:
        return []
    value, images = Counter(far.values()).most_common(1)[0]
    if images < 0.9 * len(far):
        value, images = 1.0, sum(0.95 < depth <= 1 for depth in far.values())  # the farthest pixel may be missing
        if images < 0.9 * len(far) or max(far.values()) > 1:
            return []
    return [
        f"{images} of {len(far)} images, such as {next(iter(far))}, end at {value:.6g} m: if the depth of each was "
        "divided by its own maximum, it has no unit, so prepare it with `unit: unknown`"
    ]


def _judge_units(statistics: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Report images that are much nearer, or farther, than most, at near and far pixels alike."""
    logs = np.log([list(statistics.get(name, {}).values()) for name in _QUANTILES])
    if logs.shape[1] < _FEW:
        return []
    ratios = logs - np.median(logs, axis=1, keepdims=True)
    factors = np.exp(np.abs(ratios).min(0)) * (np.ptp(np.sign(ratios), axis=0) == 0)
    cases = above(dict(zip(statistics["middle"], factors.tolist(), strict=True)), OTHER_UNIT)
    if cases is None or cases.images < max(_FEW, cases.of / 100):
        return []
    is_nearer = statistics["middle"][cases.name] < np.exp(np.median(logs[1]))
    return [
        f"{cases.agreeing('is', 'are')} much nearer or farther than most ({cases.name} is more than {cases.value:.2g} "
        f"times as {'near' if is_nearer else 'far'}, at near and far pixels alike): check that all files have the same "
        "unit"
    ]


def _octaves(counts: Counts) -> Array:
    """Return the binary logarithms of the quantiles, by interpolation in a histogram of octaves."""
    edges = np.arange(-3, len(counts) - 2)  # the outermost bins count as octaves too
    return np.interp(list(_QUANTILES.values()), np.concatenate([[0], np.cumsum(counts) / counts.sum()]), edges)


def _below_to_above(values: Array, valid: Mask) -> dict[str, float]:
    """Return the median of the lowest quarter relative to that of the upper half; nothing if they have few labels."""
    quarter = len(valid) // 4
    below, above_ = slice(len(valid) - quarter, None), slice(2 * quarter)
    if not quarter or min(valid[below].mean(), valid[above_].mean()) < 0.25:
        return {}
    medians = [np.median(values[rows][valid[rows]]) for rows in (below, above_)]
    return {"below to above": float(medians[0] / medians[1])}


def _pile(ratio: Array) -> float:
    """Return the share of pixels exactly at one end of the range; 0 if they are no pile-up.

    ``ratio`` is 1 at that end and grows with the distance from it. A background that fills the image close to other
    objects is no pile-up; a value without similar values is one, however often it occurs.
    """
    share = float(np.mean(ratio == 1))
    if share <= 3 * (float(np.mean(ratio < 1.1)) - share):
        return 0.0
    return share if share <= 0.5 or float(np.mean(ratio < 3)) == share else 0.0


def _spikes(values: Array, valid: Mask) -> float:
    """Return the share of pixels more than twice as far, or less than half as far, as all four neighbors."""
    if min(values.shape) < 3:
        return 0.0
    middle, before, after = slice(1, -1), slice(None, -2), slice(2, None)
    inner = (middle, middle)
    sides = [(before, middle), (after, middle), (middle, before), (middle, after)]
    all_valid = np.logical_and.reduce([valid[side] for side in (inner, *sides)])
    neighbors = [values[side] for side in sides]
    low, high = np.minimum.reduce(neighbors), np.maximum.reduce(neighbors)
    spikes = all_valid & ((0.5 * values[inner] > high) | (values[inner] < 0.5 * low))
    return float(spikes.sum() / max(float(all_valid.sum()), 1))
