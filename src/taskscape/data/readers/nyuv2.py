"""NYUv2 as it is published: 1,449 photographs of rooms with segmentation and depth, in one file.

The raw folder holds::

    nyu_depth_v2_labeled.mat   MATLAB 7.3, which is HDF5; its axes come out in reverse order:
        images     (1449, 3, 640, 480) uint8, RGB
        depths     (1449, 640, 480) float32 metres, holes filled in; rawDepths has them as 0
        labels     (1449, 640, 480) uint16 ids 1 … 894, 0 = none
    splits.mat                 trainNdxs (795) and testNdxs (654), numbers from 1
    normals/NNNN.png or .npy   if there are any: (480, 640, 3), NNNN the image's number from 0001; as PNG
                               n = v / 255 · 2 - 1, as array the vectors themselves; shorter than ½ is invalid

The official test images become the split ``val``, as in the papers. The 894 ids become 40 classes (Gupta et al., CVPR
2013) or 13 (Couprie et al., ICLR 2013); both maps are in ``taskscape.modalities.class_sets``.

Normals that are not given are computed from the filled depth at full size, and the manifest says so. Given ones come in
several conventions of axes; theirs is found by comparing with the normals from depth, and recorded.

Images are averaged down to ``size``; labels take the nearest pixel. The photographs have a white frame of some eight
pixels without labels, which ``crop`` cuts away.
"""

from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from taskscape.batch import Sample
from taskscape.modalities.fields import Array, Mask
from taskscape.data.readers.normals_from_depth import Axes, Intrinsics, find_axes, normals_from_depth
from taskscape.data.readers.base import (
    Contents,
    Item,
    RawData,
    read_label,
    require,
    require_all,
    resized,
    stems,
    unit_vectors,
)
from taskscape.data.readers.images import resize_image
from taskscape.modalities.class_sets import NYUV2_13, NYUV2_40, VOID, ClassSet, from_nyuv2_ids

FILE, SPLITS = "nyu_depth_v2_labeled.mat", "splits.mat"
WHERE = (
    f"{FILE} (2.8 GB) is to be had from https://cs.nyu.edu/~fergus/datasets/nyu_depth_v2.html (Labeled dataset), "
    f"{SPLITS} from the same page (Train/Test splits)"
)
CAMERA = Intrinsics(fx=518.857901, fy=519.469611, cx=325.582449 - 1, cy=253.736166 - 1)
"""Of the colour camera, to which the depth is registered; from the toolbox, which counts pixels from 1."""
CROP = (slice(45, 471), slice(41, 601))
"""The rows and columns in which depth is evaluated (Eigen et al., NeurIPS 2014)."""

_CLASS_SETS = {40: NYUV2_40, 13: NYUV2_13}


@dataclass(frozen=True)
class Nyuv2(RawData):
    """NYUv2 as downloaded: nyu_depth_v2_labeled.mat and splits.mat; normals from depth where none are given."""

    name: ClassVar[str] = "nyuv2"

    classes: Literal[13, 40] = 13
    """Number of classes."""
    size: tuple[int, int] = (288, 384)
    """Height and width of the store's images; 480 640 is the full size."""
    depth: Literal["filled", "raw"] = "filled"
    """Depth with its holes filled in, or as measured, with holes."""
    crop: bool = False
    """Cut away the frame first: rows 45 … 470 and columns 41 … 600, in which depth is evaluated in the literature."""

    def contents(self, raw: Path) -> Contents:
        """Read the splits, and how large the arrays are."""
        require(raw, (FILE, SPLITS), WHERE)
        arrays = _arrays(raw / FILE)
        field = "depths" if self.depth == "filled" else "rawDepths"
        for name in ("images", "depths", field, "labels"):
            if name not in arrays:
                raise ValueError(f"{raw / FILE} has no {name}, it has {list(arrays)}: download it again. {WHERE}")
        numbers = _splits(raw / SPLITS)
        count, last = len(arrays["images"]), max(max(some) for some in numbers.values())
        if count < last:
            raise ValueError(
                f"{raw / FILE} has {count} images, the splits name number {last}: download it again. {WHERE}"
            )
        given = stems(raw / "normals")
        splits = {split: [_item(number, given) for number in some] for split, some in numbers.items()}
        normals: dict[str, Any] = {"from": "depth", "window": "9x9 pixels at full size", "camera": CAMERA._asdict()}
        axes = None
        if given:
            names = [item.name for items in splits.values() for item in items]
            require_all({"images": names, "normals/NNNN": given}, "remove the folder normals, or complete it")
            some = splits["train"][:20]
            pairs = ((_given(item), _computed(raw / FILE, item)) for item in some)
            axes, agreement = find_axes(pairs, str(raw / "normals"))
            normals = {"from": "normals/", "axes": str(axes), "agreement with depth": round(agreement, 3)}
        class_set = _CLASS_SETS[self.classes]
        return Contents(
            size=self.size,
            splits=splits,
            tasks=("semseg", "depth", "normals"),
            class_set=class_set,
            source={
                "splits": "val is the official test split",
                "depth": {"unit": "metre", "field": field, "invalid": 0},
                "normals": normals,
            },
            read=partial(
                _read, file=raw / FILE, field=field, classes=class_set, size=self.size, crop=self.crop, axes=axes
            ),
            archives=(raw / FILE, raw / SPLITS),
        )


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
            f"{file} is damaged or was not downloaded whole ({error}): download it again. {WHERE}"
        ) from error


def _splits(file: Path) -> dict[str, list[int]]:
    """Return the numbers, from 1, of the images of each split."""
    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise ValueError(f"{file.name} needs scipy to be read: pip install 'taskscape[nyuv2]'") from error
    try:
        content = loadmat(file)
        numbers = {split: content[key].ravel().tolist() for split, key in (("train", "trainNdxs"), ("val", "testNdxs"))}
    except Exception as error:  # of many kinds for damaged files
        raise ValueError(
            f"{file} is not the list of trainNdxs and testNdxs ({error!r}): download it again. {WHERE}"
        ) from error
    if set(numbers["train"]) & set(numbers["val"]) or not all(numbers.values()):
        raise ValueError(f"{file} names an image in both splits, or none in one: download it again. {WHERE}")
    return numbers


def _item(number: int, normals: dict[str, Path]) -> Item:
    name = f"{number:04d}"
    return Item(name, {"normals": normals[name]} if name in normals else {})


def _array(file: Path, field: str, item: Item) -> Array:
    """Return one image of an array, with height first."""
    return np.asarray(_arrays(file)[field][int(item.name) - 1]).T


def _computed(file: Path, item: Item) -> tuple[Array, Mask]:
    depth = _array(file, "depths", item)
    return normals_from_depth(depth, depth > 0, CAMERA)


def _given(item: Item) -> tuple[Array, Mask]:
    path = item.files["normals"]
    stored = read_label(path)
    if stored.shape != (480, 640, 3):
        raise ValueError(f"{path} has shape {stored.shape} instead of (480, 640, 3): give normals for the whole images")
    return unit_vectors(stored if path.suffix == ".npy" else stored / 127.5 - 1)


def _read(
    item: Item, file: Path, field: str, classes: ClassSet, size: tuple[int, int], crop: bool, axes: Axes | None
) -> Sample:
    window = CROP if crop else (slice(None), slice(None))
    image = np.ascontiguousarray(_array(file, "images", item)[window])
    raw_ids = _array(file, "labels", item)
    table = from_nyuv2_ids(classes)
    if raw_ids.max() >= len(table):
        raise ValueError(f"{file}, image {item.name}: label {raw_ids.max()} is none of the 894: download it again")
    ids = resized(table[raw_ids][window], size)
    depth = resized(_array(file, field, item)[window], size)
    normals, has_normals = _computed(file, item) if axes is None else _given(item)
    normals = normals if axes is None else axes.applied(normals)
    labels: dict[str, Array] = {"semseg": ids, "depth": depth, "normals": resized(normals[window], size)}
    valid: dict[str, Mask] = {
        "semseg": ids != VOID,
        "depth": np.isfinite(depth) & (depth > 0),
        "normals": resized(has_normals[window], size),
    }
    return Sample(resize_image(image, size), labels, valid, item.name)
