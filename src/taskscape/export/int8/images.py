"""The images that ranges of activations are taken from, and those that the search compares on."""

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
"""Images, at most, whose activations give the ranges."""
COMPARED = 16
"""Other images, at most, on which layers are compared."""

Image = npt.NDArray[np.uint8]
"""(1, 3, H, W), RGB."""


class Images(NamedTuple):
    """Images at the size that the file takes, or at the height at which it is most accurate."""

    ranges: list[Image]
    """Those that give the ranges of activations."""
    compared: list[Image]
    """Others, on which the outputs of float32 and int8 are compared: the same where there is only one image."""
    source: str
    """Where they come from, in a few words."""


def require_images_for(job: Job, calibrate: Path | None) -> None:
    """Raise ``FileNotFoundError`` or ``ValueError`` that names ``--calibrate`` where ``images_for`` finds none."""
    if calibrate is not None:
        if not calibrate.is_dir():
            raise FileNotFoundError(
                f"--calibrate {calibrate}: there is no such folder: name a store, or one with images"
            )
        if not (calibrate / MANIFEST).exists() and not _files(calibrate):
            raise ValueError(f"--calibrate {calibrate}: there are no images in it: name a store, or a folder of images")
    elif not job.stores and _few(job) is None:
        raise ValueError(
            "--int8 needs images to calibrate with, and the data of the run are not at hand: name a folder of images "
            "like those that the network is for, or a store, with --calibrate PATH"
        )


def images_for(job: Job, calibrate: Path | None) -> Images:
    """Return images of a folder or store, by default of the run's data.

    Data that are made by a formula, such as generated streets, are made again where they are not at hand. Raises as
    ``require_images_for``.
    """
    require_images_for(job, calibrate)
    if calibrate is None:
        few = _few(job)
        return _of_stores(job.stores or (few.open() if few else {}), job, "the data of the run")
    if (calibrate / MANIFEST).exists():
        splits = Manifest.of(calibrate).counts
        return _of_stores({split: Store.open(calibrate, split) for split in splits}, job, str(calibrate))
    paths = _files(calibrate)
    chosen = [paths[index] for index in _spread(len(paths), RANGES + COMPARED)]
    # Neighbors in a folder are alike: every third image is compared on.
    compared = chosen[2::3] or chosen
    ranges = [path for path in chosen if path not in compared] or chosen

    def read(path: Path) -> Image:
        return _sized(torch.from_numpy(read_image(path)).permute(2, 0, 1)[None].float(), job)

    return Images(list(map(read, ranges)), list(map(read, compared)), str(calibrate))


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


def _few(job: Job) -> DataSource | None:
    """Return a source of a few of the run's images where it makes them itself."""
    data = job.model.experiment.data
    few = data.few(RANGES + COMPARED)
    return None if few == data else few


def _of_stores(stores: Mapping[str, Store], job: Job, source: str) -> Images:
    """Return images to train on for the ranges, and others of the same store or of ``val`` to compare on."""
    first = stores.get("train") or next(iter(stores.values()))
    second = stores.get("val", first)
    indices = _spread(len(first), RANGES + COMPARED)
    if second is first or len(second) < COMPARED:
        second, compared = first, indices[2::3] or indices
        indices = [index for index in indices if index not in compared] or indices
    else:
        indices, compared = _spread(len(first), RANGES), _spread(len(second), COMPARED)
    return Images(list(_read(first, indices, job)), list(_read(second, compared, job)), source)


def _read(store: Store, indices: Sequence[int], job: Job) -> Iterator[Image]:
    for index in indices:
        yield _sized(store.gather([index], [], torch.device("cpu")).image * 255, job)


def _spread(count: int, most: int) -> list[int]:
    """Return so many positions of ``count``, evenly spread."""
    return sorted({int(position) for position in np.linspace(0, count - 1, min(count, most)).round()})


def _sized(image: Tensor, job: Job) -> Image:
    """Return an image, (1, 3, H, W) in 0..255, as the file takes it."""
    size = job.size or scaled_to(image.shape[-2:], job.evaluated[0])
    if size != image.shape[-2:]:
        image = F.interpolate(image, size, mode="bilinear", antialias=True)
    return np.ascontiguousarray(image.round().clamp(0, 255).to(torch.uint8).numpy())
