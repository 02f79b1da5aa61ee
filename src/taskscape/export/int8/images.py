"""Select the images for the ranges of activations, and those for comparisons in the search."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from taskscape.data import DataSource, Store
from taskscape.data.manifest import MANIFEST, Manifest
from taskscape.data.readers.images import SUFFIXES, read_image
from taskscape.export.formats import Job
from taskscape.runs.other_data import scaled_to

RANGES = 32
"""Maximum number of images for the ranges of activations."""
COMPARED = 16
"""Maximum number of other images for comparisons."""

Image = npt.NDArray[np.uint8]
"""(1, 3, H, W), RGB."""


class Images(NamedTuple):
    """Images at the size that the file takes, or at the height at which it is most accurate."""

    ranges: list[Image]
    """Images for the ranges of activations."""
    compared: list[Image]
    """Other images, on which the outputs of float32 and int8 are compared; the same ones if there are too few."""
    source: str
    """Short description of their origin."""


def require_images_for(job: Job, calibrate: Path | None) -> None:
    """Raise ``FileNotFoundError`` or ``ValueError``, which names ``--calibrate``, if ``images_for`` finds none."""
    if calibrate is not None:
        if not calibrate.is_dir():
            raise FileNotFoundError(
                f"--calibrate {calibrate}: there is no such folder: name a store, or one with images"
            )
        if not (calibrate / MANIFEST).exists() and not _files(calibrate):
            raise ValueError(f"--calibrate {calibrate}: there are no images in it: name a store, or a folder of images")
    elif not job.stores and _generated_data(job) is None:
        raise ValueError(
            "--int8 needs images for calibration, but the data of the run are not available: name a store, or a folder "
            "of images like those that the network is for, with --calibrate PATH"
        )


def images_for(job: Job, calibrate: Path | None) -> Images:
    """Return images of a folder or store, by default of the run's data.

    Generated data, such as streets, are generated again if they are not available. Raises as ``require_images_for``
    does.
    """
    require_images_for(job, calibrate)
    if calibrate is None:
        generated = _generated_data(job)
        return _images_of(job.stores or (generated.open() if generated else {}), job, "the data of the run")
    if (calibrate / MANIFEST).exists():
        splits = Manifest.of(calibrate).counts
        return _images_of({split: Store.open(calibrate, split) for split in splits}, job, str(calibrate))
    paths = _files(calibrate)
    selected = [paths[index] for index in _spread(len(paths), RANGES + COMPARED)]
    # Neighbors in a folder are similar, so every third image is for comparison.
    compared = selected[2::3] or selected
    ranges = [path for path in selected if path not in compared] or selected

    def read(path: Path) -> Image:
        return _sized(torch.from_numpy(read_image(path)).permute(2, 0, 1)[None].float(), job)

    return Images(list(map(read, ranges)), list(map(read, compared)), str(calibrate))


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


def _generated_data(job: Job) -> DataSource | None:
    """Return a source with a few of the run's images if they are generated, else None."""
    data = job.model.experiment.data
    few = data.few(RANGES + COMPARED)
    return None if few == data else few


def _images_of(stores: Mapping[str, Store], job: Job, source: str) -> Images:
    """Return training images for the ranges, and images of ``val`` or others of the same store for comparison."""
    ranges_store = stores.get("train") or next(iter(stores.values()))
    compared_store = stores.get("val", ranges_store)
    indices = _spread(len(ranges_store), RANGES + COMPARED)
    if compared_store is ranges_store or len(compared_store) < COMPARED:
        compared_store, compared = ranges_store, indices[2::3] or indices
        indices = [index for index in indices if index not in compared] or indices
    else:
        indices, compared = _spread(len(ranges_store), RANGES), _spread(len(compared_store), COMPARED)
    return Images(list(_read(ranges_store, indices, job)), list(_read(compared_store, compared, job)), source)


def _read(store: Store, indices: Sequence[int], job: Job) -> Iterator[Image]:
    for index in indices:
        yield _sized(store.gather([index], [], torch.device("cpu")).image * 255, job)


def _spread(count: int, limit: int) -> list[int]:
    """Return up to ``limit`` evenly spaced indices below ``count``."""
    return sorted({int(position) for position in np.linspace(0, count - 1, min(count, limit)).round()})


def _sized(image: Tensor, job: Job) -> Image:
    """Return a (1, 3, H, W) image in 0..255 at the size for the file."""
    size = job.size or scaled_to(image.shape[-2:], job.evaluated[0])
    if size != image.shape[-2:]:
        image = F.interpolate(image, size, mode="bilinear", antialias=True)
    return np.ascontiguousarray(image.round().clamp(0, 255).to(torch.uint8).numpy())
