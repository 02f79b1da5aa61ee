"""Color images."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from typing_extensions import override

from taskscape.batch import Target
from taskscape.modalities.base import Array, Mask, Modality
from taskscape.modalities.observations import above
from taskscape.serialization import agreeing

if TYPE_CHECKING:
    from torch import Tensor


FRAME = 16
"""Minimum difference, of 255, between all four sides of an image and its inside for it to count as framed."""
_INSIDE = 4
"""Distance in pixels from the sides to the lines inside that they are compared with; wider frames are not found."""


@dataclass(frozen=True)
class Rgb(Modality):
    """A color image, (H, W, 3) RGB: 0..255 in samples and stores, 0..1 in batches."""

    name: ClassVar[str] = "rgb"
    dtype: ClassVar[str] = "uint8"
    shape: ClassVar[tuple[int, ...]] = (3,)
    sentinel: ClassVar[int | None] = None

    @property
    @override
    def unit(self) -> str:
        return "RGB in 0..255"

    @override
    def check(self, values: Array) -> None:
        if values.dtype != self.dtype:
            raise ValueError(f"{values.dtype} instead of {self.dtype}: convert it to 8 bits per channel, 0..255")

    @override
    def unpack(self, stored: "Tensor") -> Target:
        """Return (B, 3, H, W) float32 RGB in 0..1 in channels-last memory format; every pixel is valid."""
        import torch

        valid = torch.ones((), dtype=torch.bool, device=stored.device).expand(stored.shape[:-1])
        return Target(in_unit_range(stored.permute(0, 3, 1, 2)), valid)

    @override
    def to_array(self, values: "Tensor") -> Array:
        """Convert (B, 3, H, W) RGB in 0..1 to a (B, H, W, 3) uint8 array; values outside 0..1 are clipped."""
        import torch

        return super().to_array((values.clamp(0, 1) * 255).round().to(torch.uint8))

    @override
    def image_statistics(self, values: Array, valid: Mask) -> dict[str, float]:
        brightest, darkest = int(values.max()), int(values.min())
        red, green, blue = np.moveaxis(values, -1, 0)
        return {
            "constant": float(brightest - darkest <= 2),
            "clipped": float(np.count_nonzero((values == 0) | (values == 255)) / values.size),
            "gray": float(np.array_equal(red, green) and np.array_equal(red, blue)),
            "dark": float(brightest < 48),
            "brightest": brightest,
            "frame": _frame(values),
        }

    @override
    def statistics_warnings(self, statistics: Mapping[str, Mapping[str, float]]) -> list[str]:
        constant, clipped = statistics["constant"], statistics["clipped"]
        dark = {name: number * (not constant[name]) for name, number in statistics["dark"].items()}
        gray = {name: number * (not constant[name] and not dark[name]) for name, number in statistics["gray"].items()}
        sentences = []
        if cases := above(constant, 0):
            sentences.append(f"{cases.agreeing('is', 'are')} of one color: replace the files, or leave them out")
        if cases := above({name: share * (not constant[name]) for name, share in clipped.items()}, 0.5):
            sentences.append(
                f"{cases} ({100 * cases.value:.0f} %), {agreeing(cases.images, 'is', 'are')} 0 or 255 in most of their "
                "channels: convert images of more than 8 bits with their own range, and replace those that are over- "
                "or underexposed"
            )
        if cases := above(dark, 0):
            sentences.append(
                f"{cases.agreeing('is', 'are')} nearly black, with no channel above "
                f"{statistics['brightest'][cases.name]:g} of 255: convert images of more than 8 bits with "
                "their own range"
            )
        if (cases := above(gray, 0)) and cases.images < cases.of:
            sentences.append(
                f"{cases.agreeing('is', 'are')} gray, all channels the same; the others have colors: check that colors "
                "were not lost"
            )
        if (cases := above(statistics["frame"], FRAME)) and cases.images >= max(3, cases.of / 2):
            sentences.append(
                f"{cases.agreeing('has', 'have')} a frame: all four sides are brighter, or darker, than the pixels "
                f"{_INSIDE} further inside; crop it, as networks reproduce it in their predictions"
            )
        return sentences

    @override
    def statistics_remarks(self, statistics: Mapping[str, Mapping[str, float]]) -> list[str]:
        """Note that every image is gray, which is normal for many sensors."""
        return ["every image is gray, all channels the same"] if all(statistics["gray"].values()) else []


def _frame(values: Array) -> float:
    """Return by how much, of 255, all four sides are brighter, or all darker, than the lines ``_INSIDE`` pixels in."""
    if min(values.shape[:2]) <= 2 * _INSIDE:
        return 0.0
    gray = values.mean(-1)
    inner_lines = (gray[_INSIDE], gray[-1 - _INSIDE], gray[:, _INSIDE], gray[:, -1 - _INSIDE])
    sides = (gray[0], gray[-1], gray[:, 0], gray[:, -1])
    differences = [float(side.mean() - line.mean()) for side, line in zip(sides, inner_lines, strict=True)]
    return max(min(differences), -max(differences), 0.0)


def in_unit_range(stored: "Tensor") -> "Tensor":
    """Convert bytes, 0..255, to float32 in 0..1."""
    return stored.float().div_(255)  # dividing the bytes gives the same numbers but takes twenty times as long
