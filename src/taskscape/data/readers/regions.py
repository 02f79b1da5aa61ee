"""Regions of an image as polygons or run lengths, and their conversion to class ids."""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from taskscape.batch import Sample
from taskscape.data.readers.base import RawSample
from taskscape.data.readers.class_masks import check_size_of_image, labeled_sample
from taskscape.modalities.base import Array, Mask
from taskscape.serialization import agreeing

Points = npt.NDArray[np.float32]
"""(corners, 2): x and y in pixels from the upper left corner of the image; the first pixel covers 0 … 1."""


class Runs(NamedTuple):
    """Lengths of runs of pixels, alternately outside and inside, in a window of the image."""

    lengths: tuple[int, ...]
    window: tuple[int, int, int, int]
    """Top, left, height and width."""
    by_column: bool
    """Whether the runs go down the columns instead of along the rows."""


class Region(NamedTuple):
    """A region of one class."""

    class_id: int
    polygons: tuple[Points, ...] = ()
    runs: Runs | None = None

    @property
    def area(self) -> float:
        """The approximate number of pixels."""
        if self.runs is not None:
            return sum(self.runs.lengths[1::2])
        return sum(
            abs(float(x @ np.roll(y, 1) - y @ np.roll(x, 1))) / 2 for x, y in (points.T for points in self.polygons)
        )


@dataclass(frozen=True)
class RegionSample(RawSample):
    """An image with its regions."""

    size: tuple[int, int] = (0, 0)
    """(H, W) of the image on which the regions were drawn."""
    regions: tuple[Region, ...] = ()
    """Regions in the order of painting: later ones cover earlier ones."""


def check_regions(samples: Sequence[RegionSample], where: Path) -> None:
    """Check that images have the size on which their regions were drawn, and that coordinates are in their pixels.

    Warns about images without regions, and about regions that cover no pixel, or extend far beyond the image. Raises
    ``ValueError`` if sizes differ, or, with the name of the file ``where``, if a region does not fit into its image, no
    region covers a pixel, or coordinates are shares of the image.
    """
    for sample in samples:
        check_size_of_image(sample.files["image"], sample.size, "its annotation")
        for region in sample.regions:
            try:
                require_fit(region, sample.size)
            except ValueError as error:
                raise ValueError(f"{where}: the annotations of {sample.name}: {error}; export them again") from error
    if bare := [sample for sample in samples if not sample.regions]:
        warnings.warn(
            f"{where}: {len(bare)} of {len(samples)} images {agreeing(len(bare), 'has', 'have')} no region, such as "
            f"{bare[0].name}: all their pixels count as outside; leave such images out if they are not labeled yet",
            stacklevel=2,
        )
    regions = [(sample, region) for sample in samples for region in sample.regions]
    polygons = [points for _, region in regions for points in region.polygons if len(points)]
    if polygons and all(points.max() <= 1 for points in polygons):
        raise ValueError(
            f"{where}: all polygons lie within the first pixel, as if coordinates were shares of the image; export "
            "coordinates in pixels of the images"
        )
    empty: list[RegionSample] = []
    outside: list[RegionSample] = []
    for sample, region in regions:
        if not _may_cover(region, sample.size):
            empty.append(sample)
        elif any(_reaches_outside(points, sample.size) for points in region.polygons):
            outside.append(sample)
    if outside:
        warnings.warn(
            f"{where}: {len(outside)} of {len(regions)} regions {agreeing(len(outside), 'extends', 'extend')} beyond "
            f"the image, such as one of {outside[0].name}: check that they were drawn on images of this size",
            stacklevel=2,
        )
    if not empty:
        return
    sentence = (
        f"{where}: {len(empty)} of {len(regions)} regions {agreeing(len(empty), 'covers', 'cover')} no pixel of the "
        f"image, such as one of {empty[0].name}: outside of it, or too small"
    )
    if len(empty) == len(regions):
        raise ValueError(f"{sentence}; export coordinates in pixels of the images")
    warnings.warn(f"{sentence}; {agreeing(len(empty), 'it is', 'they are')} left out", stacklevel=2)


def require_fit(region: Region, size: tuple[int, int]) -> None:
    """Raise ``ValueError`` for coordinates that are not finite, and a mask outside the image or not of its pixels."""
    if not all(np.isfinite(points).all() for points in region.polygons):
        raise ValueError("a polygon has coordinates that are not numbers")
    if region.runs is None:
        return
    lengths, (top, left, height, width), _ = region.runs
    if not (0 <= top <= top + height <= size[0] and 0 <= left <= left + width <= size[1]):
        raise ValueError(f"a mask at {(top, left)} of {(height, width)} is not in an image of {size}")
    if min(lengths, default=0) < 0 or sum(lengths) != height * width:
        raise ValueError(f"a mask of {height}x{width} has runs of {sum(lengths)} pixels in total")


def _reaches_outside(points: Points, size: tuple[int, int]) -> bool:
    """Return whether a polygon extends beyond the image by more than a twentieth of a side."""
    sides = np.array(size[::-1])
    return bool(((points < -sides / 20) | (points > sides * 1.05)).any())


def _may_cover(region: Region, size: tuple[int, int]) -> bool:
    """Return whether a mask has a pixel, or the bounding box of a polygon contains the center of a pixel."""
    if region.runs is not None:
        return sum(region.runs.lengths[1::2]) > 0
    polygons = [points for points in region.polygons if len(points) > 2]
    boxes = (np.ceil(np.clip([corners.min(0) - 0.5, corners.max(0) - 0.5], 0, size[::-1])) for corners in polygons)
    return any((low < high).all() for low, high in boxes)


def read_regions(raw: RegionSample, size: tuple[int, int], background_id: int) -> Sample:
    """Read an image and paint its regions, which ``check_regions`` has checked."""
    ids = paint(raw.size, raw.regions, background_id)
    return labeled_sample(raw.name, raw.files["image"], ids, "its annotation", size)


def paint(size: tuple[int, int], regions: Iterable[Region], background_id: int) -> Array:
    """Return the class ids of regions that fit, (H, W) uint8, and ``background_id`` for pixels outside all regions."""
    ids = np.full(size, background_id, np.uint8)
    for region in regions:
        for points in region.polygons:
            ids[fill_polygon(points, size)] = region.class_id
        if region.runs is not None:
            top, left, height, width = region.runs.window
            ids[top : top + height, left : left + width][fill_runs(region.runs)] = region.class_id
    return ids


def fill_polygon(points: Points, size: tuple[int, int]) -> Mask:
    """Return the mask, (H, W), of pixels whose centers lie inside a polygon, by the even-odd rule."""
    height, width = size
    toggles = np.zeros((height, width + 1), np.bool_)
    corners = points.astype(np.float64)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, 0), strict=True):
        top, bottom = np.clip(np.ceil(np.sort([y0, y1]) - 0.5), 0, height).astype(int)
        rows = np.arange(top, bottom)
        if len(rows):
            x = x0 + (rows + 0.5 - y0) * (x1 - x0) / (y1 - y0)
            toggles[rows, np.clip(np.ceil(x - 0.5), 0, width).astype(int)] ^= True
    return np.logical_xor.accumulate(toggles[:, :width], axis=1)


def fill_runs(runs: Runs) -> Mask:
    """Return the mask of the runs, (height, width) of their window, which they fill."""
    _, _, height, width = runs.window
    inside = np.repeat(np.arange(len(runs.lengths)) % 2 == 1, runs.lengths)
    return inside.reshape(width, height).T if runs.by_column else inside.reshape(height, width)


def decode_lengths(text: str) -> tuple[int, ...]:
    """Return the run lengths in COCO's compressed format.

    Each number is a string of 5-bit digits, lowest first, as characters starting at "0"; 32 is added to a digit if more
    follow, and the highest of the 5 bits of the last digit is the sign. From the fourth on, a number is the difference
    from the one two before. (https://github.com/cocodataset/cocoapi/blob/master/common/maskApi.c, rleFrString)

    Raises ``ValueError`` if the text has another form.
    """
    lengths: list[int] = []
    number = shift = 0
    for character in text:
        digit = ord(character) - 48
        if not 0 <= digit < 64 or shift > 60:
            raise ValueError(f"a mask has {character!r} in its run lengths")
        number |= (digit & 31) << shift
        shift += 5
        if not digit & 32:
            number -= (digit & 16) << (shift - 4)
            lengths.append(number + (lengths[-2] if len(lengths) > 2 else 0))
            number = shift = 0
    if shift:
        raise ValueError("the run lengths of a mask are cut off")
    return tuple(lengths)


def polygon(numbers: Sequence[float]) -> Points:
    """Return the corners from x, y, x, y, …, or from pairs of them. Raises ``ValueError`` for other values."""
    try:
        corners = np.array(numbers, np.float32)
    except (TypeError, ValueError):
        raise ValueError(f"a polygon is {numbers!r:.40}, which is not of the form [x, y, x, y, …]") from None
    if corners.size % 2:
        raise ValueError(f"a polygon has {corners.size} numbers, which are not pairs of x and y")
    return corners.reshape(-1, 2)
