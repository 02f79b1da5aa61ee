"""The arrays published with MTAN, on which most papers on multi-task learning have trained since.

The raw folder holds, for each of the splits ``train`` and ``val``, numbered from 0::

    SPLIT/image/N.npy    (H, W, 3) float, RGB in 0 … 1
    SPLIT/label/N.npy    (H, W) class ids, -1 = none; Cityscapes also has label_7 and label_2 or label_19 in some copies
    SPLIT/depth/N.npy    (H, W, 1) float, 0 = invalid
    SPLIT/normal/N.npy   NYUv2 only: (H, W, 3) float vectors; those shorter than ½ or longer than 1½ are
                         invalid

Cityscapes: 128x256, 2,975 and 500 images, 19, 7 or 2 classes. Depth is "inverse depth", which is (p - 1) / 65536 of the
16-bit disparity image, so meters = baseline · fx / (256 · value), which is 1.8499 / value with 0.209313 m · 2262.52 px.
The manifest stores this number as ``source.depth.meters_at_inverse_1``.
NYUv2: 288x384, 795 and 654 images, 13 classes, depth in meters.

The axes of the normals are detected by comparison with normals from depth, and recorded.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from typing_extensions import override

from taskscape.batch import Sample
from taskscape.data.readers.base import RawData, RawIndex, RawSample
from taskscape.data.readers.files import match_files, require, stems
from taskscape.data.readers.images import resize_image
from taskscape.data.readers.labels import resize_nearest, unit_vectors
from taskscape.data.readers.normals_from_depth import Axes, Intrinsics, find_axes, normals_from_depth
from taskscape.data.readers.opening import open_array
from taskscape.modalities import Depth, Modality, Normals, Semseg
from taskscape.modalities.base import Array, Mask
from taskscape.modalities.class_sets import CITYSCAPES_2, CITYSCAPES_7, CITYSCAPES_19, NYUV2_13, ClassSet
from taskscape.modalities.depth import METERS_AT_DISPARITY_1
from taskscape.serialization import counted

WHERE = "The arrays are linked from https://github.com/lorenmt/mtan (section Datasets)"
PUBLISHED = {"cityscapes": {"train": 2975, "val": 500}, "nyuv2": {"train": 795, "val": 654}}
_NYUV2_FOCAL = 518.9 / 640
"""Focal length in image widths."""
_DEPTH = {
    "cityscapes": {
        "unit": "meter",
        "formula": "meters_at_inverse_1 / value; 0 is not valid",
        "meters_at_inverse_1": METERS_AT_DISPARITY_1,
    },
    "nyuv2": {"unit": "meter", "formula": "as stored; 0 is not valid"},
}
_CLASS_SETS = {19: CITYSCAPES_19, 7: CITYSCAPES_7, 2: CITYSCAPES_2, 13: NYUV2_13}


@dataclass(frozen=True)
class MtanArrays(RawData):
    """The .npy folders published with MTAN: Cityscapes with inverse depth, or NYUv2, with normals if available."""

    name: ClassVar[str] = "mtan"

    of: Literal["cityscapes", "nyuv2"]
    """Which of the two data sets to read."""
    classes: Literal[19, 13, 7, 2] | None = None
    """Number of classes of the label folder: 19, 7 or 2 for Cityscapes, by default 19; 13 for NYUv2."""
    labels: str = "label"
    """Name of the label folder."""
    size: tuple[int, int] | None = None
    """Height and width of the store's images; by default those of the arrays."""
    partial: bool = False
    """Accept fewer images than published, and leave out images that lack a file."""

    @override
    def contents(self, raw: Path) -> RawIndex:
        classes = self.classes or (19 if self.of == "cityscapes" else 13)
        if (classes == 13) != (self.of == "nyuv2"):
            raise ValueError(f"{classes} classes of {self.of}: choose 19, 7 or 2 for cityscapes and 13 for nyuv2")
        folders = {"image": "image", "label": self.labels, "depth": "depth"}
        require(raw, [f"{split}/{folder}" for split in ("train", "val") for folder in folders.values()], WHERE)
        if all((raw / split / "normal").is_dir() for split in ("train", "val")):
            folders["normal"] = "normal"
        splits = {split: self._samples(raw / split, folders) for split in ("train", "val")}

        if classes == 19 and self.classes is None:
            _require_ids_beyond_7(splits["train"][:20], raw / "train" / self.labels)
        fields: dict[str, Modality] = {"semseg": Semseg(_CLASS_SETS[classes]), "depth": Depth()}
        source: dict[str, Any] = {"of": self.of, "depth": _DEPTH[self.of]}
        axes = None
        if "normal" in folders:
            fields["normals"] = Normals()
            pairs = ((_stored_normals(sample), _computed_normals(sample, self.of)) for sample in splits["train"][:20])
            axes, agreement = find_axes(pairs, str(raw / "train" / "normal"))
            source["normals"] = {"from": "normal/", "axes": str(axes), "agreement with depth": round(agreement, 3)}
        size = self.size
        if size is None:
            height, width = _mapped(splits["train"][0].files["image"]).shape[:2]
            size = height, width
        read = partial(_read, data_set=self.of, classes=_CLASS_SETS[classes], size=size, axes=axes)
        return RawIndex(size, splits, fields, source, read)

    def _samples(self, folder: Path, kinds: dict[str, str]) -> list[RawSample]:
        files = {kind: stems(folder / inner) for kind, inner in kinds.items()}
        same_size = [
            data_set
            for data_set, counts in PUBLISHED.items()
            if counts[folder.name] == len(files["image"]) and data_set != self.of
        ]
        remedy = f"Or pass --of {same_size[0]}" if same_size else WHERE
        return match_files(files, str(folder), PUBLISHED[self.of][folder.name], self.partial, remedy)


def _mapped(path: Path) -> Array:
    return open_array(path, "download or unpack it again")


def _label(raw: RawSample, kind: str, *channels: int) -> Array:
    """Return a label, (H, W) + ``channels``. Raises ``ValueError`` if its size differs from that of its image."""
    path = raw.files[kind]
    stored, image = np.array(_mapped(path)), _mapped(raw.files["image"])
    shape = (*image.shape[:2], *channels)
    if stored.dtype.kind not in "biuf":
        raise ValueError(f"{path} holds {stored.dtype}, not numbers: unpack it again. {WHERE}")
    if stored.shape not in (shape, (*shape, 1)):
        raise ValueError(f"{path} has shape {stored.shape} instead of {shape} like its image: unpack it again. {WHERE}")
    return stored.reshape(shape)


def _depth_in_meters(raw: RawSample, data_set: str) -> tuple[Array, Mask]:
    stored = _label(raw, "depth").astype(np.float64)
    valid = np.isfinite(stored) & (stored > 0)
    filled = np.where(valid, stored, 1)
    return (filled if data_set == "nyuv2" else METERS_AT_DISPARITY_1 / filled).astype(np.float32), valid


def _computed_normals(raw: RawSample, data_set: str) -> tuple[Array, Mask]:
    """Return normals from depth, with an approximate camera, which suffices to detect axes even after cropping."""
    depth, valid = _depth_in_meters(raw, data_set)
    height, width = depth.shape
    focal = _NYUV2_FOCAL * width
    return normals_from_depth(depth, valid, Intrinsics(focal, focal, (width - 1) / 2, (height - 1) / 2), radius=3)


def _stored_normals(raw: RawSample) -> tuple[Array, Mask]:
    stored = _label(raw, "normal", 3)
    if stored.dtype.kind != "f":
        raise ValueError(f"{raw.files['normal']} holds {stored.dtype}: save unit vectors as floats. {WHERE}")
    return unit_vectors(stored)


def _ids(raw: RawSample, classes: ClassSet) -> Array:
    """Return the ids, (H, W) int16, -1 for pixels without a class."""
    stored = _label(raw, "label")
    ids = np.where(stored >= 0, stored, -1)  # NaN has no class either
    if invalid := [id_ for id_ in np.unique(ids).tolist() if id_ >= len(classes) or id_ != int(id_)]:
        raise ValueError(
            f"{raw.files['label']} has id {invalid[-1]:g}, and {len(classes)} classes end at {len(classes) - 1}: "
            "give their number with --classes, or the right folder with --labels; pixels without a class have -1"
        )
    return ids.astype(np.int16)


def _require_ids_beyond_7(samples: list[RawSample], folder: Path) -> None:
    """Raise ``ValueError``, which names the folder, if labels seem to have 7 or 2 classes, as in some copies."""
    largest = max(int(_ids(sample, CITYSCAPES_19).max()) for sample in samples)
    if largest < 7:
        classes = 2 if largest < 2 else 7
        raise ValueError(
            f"{folder}: the ids of the first {counted(len(samples), 'image', 'images')} end at {largest}, as with "
            f"{classes} classes: give --classes {classes}, or --classes 19 if they are those of 19 classes"
        )


def _read(raw: RawSample, data_set: str, classes: ClassSet, size: tuple[int, int], axes: Axes | None) -> Sample:
    image = np.array(_mapped(raw.files["image"]))
    if image.ndim != 3 or image.shape[2] != 3 or not 0 <= image.min() <= image.max() <= 1:
        raise ValueError(
            f"{raw.files['image']} is {image.shape} in {image.min()} … {image.max()} instead of (H, W, 3) in 0 … 1: "
            f"unpack it again. {WHERE}"
        )
    full_ids = _ids(raw, classes)
    ids = resize_nearest(full_ids, size)
    depth, has_depth = _depth_in_meters(raw, data_set)
    rgb = np.rint(image * 255).astype(np.uint8)
    values = {"image": resize_image(rgb, size), "semseg": ids, "depth": resize_nearest(depth, size)}
    valid = {"semseg": ids >= 0, "depth": resize_nearest(has_depth, size)}
    if axes is not None:
        normals, has_normals = _stored_normals(raw)
        values["normals"] = resize_nearest(axes.applied(normals), size)
        valid["normals"] = resize_nearest(has_normals, size)
    return Sample(values, valid, raw.name, {"semseg": (full_ids, full_ids >= 0)})
