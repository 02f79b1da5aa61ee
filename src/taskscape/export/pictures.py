"""Real images for the comparison of a file with its network: the photograph of taskscape, and the run's own images."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from taskscape.data import Store
from taskscape.data.readers.images import read_image
from taskscape.data.sample import evenly_spread
from taskscape.export.formats import Job
from taskscape.released import PHOTOGRAPH

SIZES = ((1.0, 1.0), (0.71, 1.13), (1.27, 0.83), (0.5, 0.5), (1.5, 0.97))
"""Heights and widths of the photograph, relative to the size on which the run was evaluated."""
SMALLEST = 32
"""Minimum height and width of the photograph: encoders halve it five times, and OpenVINO cannot pool a single pixel."""
MAX_IMAGES = 8
"""Maximum number of images of the run's validation data."""


def pictures(job: Job) -> list[Tensor]:
    """Return the photograph at five sizes and images of the validation data, if available, as uint8.

    For a file of one size, return only images of this size.
    """
    height, width = job.evaluated
    sizes = [(max(round(height * h), SMALLEST), max(round(width * w), SMALLEST)) for h, w in SIZES]
    photographs = map(photograph, [job.size] if job.size else sizes)
    return [*photographs, *(_images(job.val) if job.val is not None else ())]


def photograph(size: tuple[int, int]) -> Tensor:
    """Return the photograph that is part of taskscape at a size, (1, 3, H, W) uint8."""
    image = torch.from_numpy(read_image(PHOTOGRAPH)).permute(2, 0, 1)[None].float()
    resized = F.interpolate(image, size, mode="bilinear", antialias=True)
    return resized.round().clamp(0, 255).to(torch.uint8)


def _images(store: Store) -> Iterator[Tensor]:
    for index in evenly_spread(len(store), MAX_IMAGES):
        image = store.gather([index], [], torch.device("cpu")).image
        yield (image * 255).round().to(torch.uint8).contiguous()
