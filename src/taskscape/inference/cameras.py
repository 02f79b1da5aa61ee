"""The focal length of an image: from the settings, from the file, or from the network's training data."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from PIL import ExifTags

from taskscape.inference.checks import FieldOfView
from taskscape.serialization.ranges import Positive, RangedSettings

if TYPE_CHECKING:
    from taskscape.inference.predictor import Predictor

_DIAGONAL_35MM = math.hypot(36, 24)
"""Diagonal of a 35 mm film frame, in millimeters."""


class Focal(NamedTuple):
    """A focal length."""

    pixels: float
    origin: str
    """Where the value comes from, as text."""


@dataclass(frozen=True)
class Lens(RangedSettings):
    """The focal length of images; by default from their EXIF, or else from the run's training data."""

    focal: Positive | None = None
    """Focal length in pixels of the image."""
    fov: FieldOfView | None = None
    """Horizontal field of view, from the left to the right edge of the image, in degrees."""

    def __post_init__(self) -> None:
        """Check the settings. Raises ``ValueError``."""
        super().__post_init__()
        if self.focal is not None and self.fov is not None:
            raise ValueError("focal and fov both set the focal length: give only one of them")

    def find(self, size: tuple[int, int], file: Path | None, predictor: "Predictor") -> Focal:
        """Return the focal length of an image of this (H, W). Raises ``ValueError`` if it is unknown."""
        from taskscape.data.cameras import focal_length

        if self.focal is not None:
            return Focal(self.focal, "given")
        if self.fov is not None:
            pixels = size[1] / 2 / math.tan(math.radians(self.fov) / 2)
            return Focal(pixels, f"of a field of view of {self.fov:g} degrees")
        if file is not None and (equivalent := film_equivalent(file)):
            pixels = equivalent / _DIAGONAL_35MM * math.hypot(*size)
            return Focal(pixels, f"from the image's EXIF ({equivalent:g} mm on 35 mm film)")
        focal_in_widths = focal_length(predictor.model.experiment.data)
        if focal_in_widths is None:
            raise ValueError(
                f"the focal length of {file or 'the images'} is not known: it is neither in the EXIF nor in the data "
                "of the run: give --focal in pixels, or --fov in degrees"
            )
        height, width = predictor.evaluated
        return Focal(focal_in_widths * width * size[0] / height, "assumed to be that of the network's training data")

    def check(self, files: Sequence[Path], predictor: "Predictor") -> None:
        """Raise ``ValueError`` for the first image with an unknown focal length.

        If ``files`` is empty, the images have no files, so only the settings and the run's data can tell.
        """
        from taskscape.data.cameras import focal_length

        if self.focal is self.fov is None and focal_length(predictor.model.experiment.data) is None:
            for file in files or (None,):
                if file is None or is_readable(file):  # unreadable files are skipped later
                    self.find((1, 1), file, predictor)


def is_readable(file: Path) -> bool:
    """Return whether a file has a valid image header."""
    from taskscape.data.readers.opening import open_image

    try:
        with open_image(file, load=False):
            return True
    except (ValueError, OSError):
        return False


def film_equivalent(file: Path) -> float | None:
    """Return the 35 mm equivalent focal length of an image file, in millimeters; None if its EXIF does not have it."""
    from taskscape.data.readers.opening import open_image

    with open_image(file, load=False) as image:
        value = image.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.FocalLengthIn35mmFilm)
    try:
        millimeters = math.nan if value is None else float(value)
    except (TypeError, ValueError):
        return None
    return millimeters if 0 < millimeters < math.inf else None
