"""NYUv2 as published: 1,449 photographs of rooms with segmentation and depth, in one file.

The raw folder holds::

    nyu_depth_v2_labeled.mat   MATLAB 7.3, which is HDF5; axes are in reverse order:
        images     (1449, 3, 640, 480) uint8, RGB
        depths     (1449, 640, 480) float32 meters, holes filled in; rawDepths has them as 0
        labels     (1449, 640, 480) uint16 ids 1 … 894, 0 = none
    splits.mat                 trainNdxs (795) and testNdxs (654), numbers from 1
    normals/NNNN.png or .npy   optional: (480, 640, 3), NNNN is the image's number from 0001; PNG files hold
                               n = v / 255 · 2 - 1, (0, 0, 0) is invalid; arrays hold the vectors themselves;
                               vectors shorter than ½ or longer than 1½ are invalid

The official test images become the split ``val``, as in the papers. The 894 ids are mapped to 40 classes (Gupta et al.,
CVPR 2013) or 13 (Couprie et al., ICLR 2013); both maps are in ``taskscape.modalities.class_sets``.

Without a folder of normals, normals are computed from the filled depth at full size, as recorded in the manifest.
Published normals use several axis conventions. The convention is detected by comparison with normals from depth, and
recorded too.

Images are averaged down to ``size``; labels take the nearest pixel. The photographs have a white frame of about eight
pixels without labels, which ``crop`` removes.
"""

from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from typing_extensions import override

from taskscape.batch import Sample
from taskscape.data.readers.base import RawData, RawIndex, RawSample
from taskscape.data.readers.files import require, stems
from taskscape.data.readers.images import resize_image
from taskscape.data.readers.labels import decoded_vectors, resize_nearest, unit_vectors
from taskscape.data.readers.matlab import read_numbers
from taskscape.data.readers.normals_from_depth import Axes, Intrinsics, find_axes, normals_from_depth
from taskscape.data.readers.samples import read_exact
from taskscape.modalities import Depth, Normals, Semseg
from taskscape.modalities.base import Array, Mask
from taskscape.modalities.class_sets import IGNORE_INDEX, NYUV2_13, NYUV2_40, ClassSet, from_nyuv2_ids
from taskscape.serialization import counted, listed

FILE, SPLITS = "nyu_depth_v2_labeled.mat", "splits.mat"
WHERE = (
    f"{FILE} (2.8 GB) is available from https://cs.nyu.edu/~fergus/datasets/nyu_depth_v2.html (Labeled dataset), "
    f"{SPLITS} from the same page (Train/Test splits)"
)
CAMERA = Intrinsics(fx=518.857901, fy=519.469611, cx=325.582449 - 1, cy=253.736166 - 1)
"""Intrinsics of the color camera, to which depth is registered; from the toolbox, which counts pixels from 1."""
CROP = (slice(45, 471), slice(41, 601))
"""Rows and columns on which depth is evaluated (Eigen et al., NeurIPS 2014)."""

_CLASS_SETS = {40: NYUV2_40, 13: NYUV2_13}


@dataclass(frozen=True)
class Nyuv2(RawData):
    """NYUv2 as downloaded: nyu_depth_v2_labeled.mat and splits.mat; normals from files, or else computed from depth."""

    name: ClassVar[str] = "nyuv2"

    classes: Literal[13, 40] = 13
    """Number of classes."""
    size: tuple[int, int] = (288, 384)
    """Height and width of the store's images; 480 640 is the full size."""
    depth: Literal["filled", "raw"] = "filled"
    """Depth with its holes filled in, or raw as measured, with holes."""
    crop: bool = False
    """Crop the frame first, to rows 45 … 470 and columns 41 … 600, on which depth is evaluated in the literature."""

    @override
    def contents(self, raw: Path) -> RawIndex:
        """Read the splits, and check the sizes of the arrays."""
        require(raw, (FILE, SPLITS), WHERE)
        depth_name = "depths" if self.depth == "filled" else "rawDepths"
        numbers = _splits(raw / SPLITS)
        _check_arrays(
            raw / FILE,
            ("images", "depths", depth_name, "labels"),
            max(max(split_numbers) for split_numbers in numbers.values()),
        )
        files = stems(raw / "normals")
        splits = {
            split: [_sample(number, files) for number in split_numbers] for split, split_numbers in numbers.items()
        }
        axes, normals_source = _find_axes(raw, splits, files)
        return RawIndex(
            size=self.size,
            splits=splits,
            fields={"semseg": Semseg(_CLASS_SETS[self.classes]), "depth": Depth(), "normals": Normals()},
            source={
                "splits": "val is the official test split",
                "depth": {"unit": "meter", "field": depth_name, "invalid": 0},
                "normals": normals_source,
            },
            read=partial(
                _read,
                file=raw / FILE,
                depth_name=depth_name,
                classes=_CLASS_SETS[self.classes],
                size=self.size,
                crop=self.crop,
                axes=axes,
            ),
            archives=(raw / FILE, raw / SPLITS),
        )


def _check_arrays(file: Path, names: tuple[str, ...], last: int) -> None:
    """Raise ``ValueError`` unless the file has these arrays and image number ``last``, from 1."""
    arrays = _arrays(file)
    for name in names:
        shape = (3, 640, 480) if name == "images" else (640, 480)
        try:
            if name not in arrays:
                raise ValueError(f"it has no {name}, it has {listed(list(arrays))}")
            array = arrays[name]
            types = {"images": ("uint8",), "labels": ("uint16", "uint8")}.get(name, ("float32", "float64"))
            if not _lies_within(arrays, name) or array.shape[1:] != shape or array.dtype.name not in types:
                raise ValueError(f"{name} is not an array of {types[0]} with shape {shape} for every image")
        except Exception as error:  # h5py raises anything for a damaged file
            raise ValueError(f"{file} is damaged or another file ({error}): download it again. {WHERE}") from error
    if (count := len(arrays["images"])) < last:
        raise ValueError(f"{file} has {count} images, the splits name number {last}: download it again. {WHERE}")


def _lies_within(arrays: Any, name: str) -> bool:
    """Return whether the data of an array are in the file itself, as HDF5 can point to other files."""
    import h5py

    array, link = arrays[name], arrays.get(name, getlink=True)
    return (
        isinstance(link, h5py.HardLink) and isinstance(array, h5py.Dataset) and not (array.is_virtual or array.external)
    )


def _find_axes(
    raw: Path, splits: dict[str, list[RawSample]], files: dict[str, Path]
) -> tuple[Axes | None, dict[str, Any]]:
    """Return the axes of the stored normals, None without files, and the manifest entry about the normals."""
    if not files:
        return None, {"from": "depth", "window": "9x9 pixels at full size", "camera": CAMERA._asdict()}
    if lacking := [sample.name for samples in splits.values() for sample in samples if not sample.files]:
        raise ValueError(
            f"{raw / 'normals'} lacks the normals of {counted(len(lacking), 'image', 'images')}, such as "
            f"{listed(lacking)}: remove the folder normals, or complete it"
        )
    pairs = ((_stored_normals(sample), _computed_normals(raw / FILE, sample)) for sample in splits["train"][:20])
    axes, agreement = find_axes(pairs, str(raw / "normals"))
    return axes, {"from": "normals/", "axes": str(axes), "agreement with depth": round(agreement, 3)}


@cache  # once per process
def _arrays(file: Path) -> Any:
    try:
        import h5py  # type: ignore[import-untyped, unused-ignore]
    except ImportError as error:
        raise ValueError(f"{file.name} is HDF5, which needs h5py: pip install 'taskscape[nyuv2]'") from error
    try:
        return h5py.File(file)
    except OSError as error:
        raise ValueError(
            f"{file} is damaged or was not downloaded completely ({error}): download it again. {WHERE}"
        ) from error


def _splits(file: Path) -> dict[str, list[int]]:
    """Return the image numbers of each split, from 1."""
    try:
        content = read_numbers(file)
        numbers = {split: _whole_numbers(content[key]) for split, key in (("train", "trainNdxs"), ("val", "testNdxs"))}
    except Exception as error:  # damaged files raise many types of errors
        raise ValueError(
            f"{file} is not the list of trainNdxs and testNdxs ({error!r}): download it again. {WHERE}"
        ) from error
    listed_numbers = [*numbers["train"], *numbers["val"]]
    if len(set(listed_numbers)) < len(listed_numbers) or not all(numbers.values()):
        raise ValueError(f"{file} names an image twice, or none in one split: download it again. {WHERE}")
    return numbers


def _whole_numbers(numbers: Array) -> list[int]:
    """Return the numbers as integers. Raises ``ValueError`` unless they are whole numbers from 1."""
    integers = [int(number) for number in numbers.tolist()]
    if integers != numbers.tolist() or min(integers, default=1) < 1:
        raise ValueError("it has invalid image numbers")
    return integers


def _sample(number: int, normals: dict[str, Path]) -> RawSample:
    name = f"{number:04d}"
    return RawSample(name, {"normals": normals[name]} if name in normals else {})


def _array(file: Path, array: str, raw: RawSample) -> Array:
    """Return the entry of an array for one image, with height first."""
    try:
        return np.asarray(_arrays(file)[array][int(raw.name) - 1]).T
    except Exception as error:  # h5py raises anything for a damaged file
        raise ValueError(f"{file} is damaged, image {raw.name} ({error}): download it again. {WHERE}") from error


def _computed_normals(file: Path, raw: RawSample) -> tuple[Array, Mask]:
    depth = _array(file, "depths", raw)
    return normals_from_depth(depth, depth > 0, CAMERA)


def _stored_normals(raw: RawSample) -> tuple[Array, Mask]:
    path = raw.files["normals"]
    stored = read_exact(path).values
    if stored.shape != (480, 640, 3):
        raise ValueError(f"{path} has shape {stored.shape} instead of (480, 640, 3): give normals for the whole images")
    try:
        return unit_vectors(decoded_vectors(stored))
    except ValueError as error:
        raise ValueError(f"{path} {error}") from error


def _read(
    raw: RawSample, file: Path, depth_name: str, classes: ClassSet, size: tuple[int, int], crop: bool, axes: Axes | None
) -> Sample:
    window = CROP if crop else (slice(None), slice(None))
    image = np.ascontiguousarray(_array(file, "images", raw)[window])
    raw_ids = _array(file, "labels", raw)
    table = from_nyuv2_ids(classes)
    if raw_ids.max() >= len(table):
        raise ValueError(f"{file}, image {raw.name}: label {raw_ids.max()} is not one of the 894: download it again")
    full_ids = table[raw_ids][window]
    ids = resize_nearest(full_ids, size)
    depth = resize_nearest(_array(file, depth_name, raw)[window], size)
    normals, has_normals = _computed_normals(file, raw) if axes is None else _stored_normals(raw)
    normals = normals if axes is None else axes.applied(normals)
    return Sample(
        values={
            "image": resize_image(image, size),
            "semseg": ids,
            "depth": depth,
            "normals": resize_nearest(normals[window], size),
        },
        valid={
            "semseg": ids != IGNORE_INDEX,
            "depth": np.isfinite(depth) & (depth > 0),
            "normals": resize_nearest(has_normals[window], size),
        },
        name=raw.name,
        originals={"semseg": (full_ids, full_ids != IGNORE_INDEX)},
    )
