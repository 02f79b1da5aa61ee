"""COCO as published, and exports in its format: polygons and run lengths, or panoptic images, in JSON.

The raw folder has one of these layouts; LIST is ``train2017``, ``val``, ``default``, …::

    annotations/instances_LIST.json       images, categories, and annotations with a ``segmentation``
    annotations/panoptic_LIST.json        the same with ``segments_info``; next to it, panoptic_LIST/ has a PNG per
                                          image: R + 256 G + 65536 B is the id of a segment, 0 = none
    LIST/_annotations.coco.json           instances, next to their images, as exported by Roboflow

Images are in LIST/, images/LIST/, train/ or images/train/ for ``train2017``, images/, or next to the JSON file. A year
at the end of LIST is not part of the split's name. A single list is divided into train and val by order.

A ``segmentation`` is a list of polygons, x1, y1, x2, y2, … in pixels from the upper left corner, which contain the
pixels whose centers are inside; or ``size`` and ``counts``, run lengths down the columns, as numbers or compressed.
The field is ``semseg``: every pixel of an instance has the class of its category; classes are in the order of category
ids. Crowds are painted first, then the others from the largest area to the smallest. Pixels outside all instances have
the class ``background``, the first, as the categories spell it (``Background``); with ``background`` = ``void`` they
have no class. Panoptic data have no background: pixels outside all segments have no class. Images that are in no list,
and annotations without an area, are named in a warning.

Images are averaged down to ``size``; labels take the nearest pixel.
"""

import json
import math
import re
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from typing_extensions import override

from taskscape.batch import Sample
from taskscape.data.readers.base import RawData, RawIndex, RawSample
from taskscape.data.readers.class_masks import (
    BACKGROUND,
    FIELD,
    background_among,
    labeled_sample,
    own_classes,
    voc_color,
)
from taskscape.data.readers.colors import Color, from_hex
from taskscape.data.readers.files import find_file, require
from taskscape.data.readers.images import images_in, size_of
from taskscape.data.readers.labels import look_up
from taskscape.data.readers.opening import open_image
from taskscape.data.readers.regions import (
    Region,
    RegionSample,
    Runs,
    check_regions,
    decode_lengths,
    polygon,
    read_regions,
)
from taskscape.data.readers.splits import train_and_val, warn_of_unlisted
from taskscape.modalities import IGNORE_INDEX, ClassSet, Semseg
from taskscape.serialization import agreeing

WHERE = "COCO is available from https://cocodataset.org/#download (2017 images and annotations)"
_ROBOFLOW_FILE = "_annotations.coco.json"
_MOST_BYTES = 1 << 30
"""Largest size of a JSON file."""

Kind = Literal["instances", "panoptic"]


@dataclass(frozen=True)
class PanopticSample(RawSample):
    """An image with its segments."""

    segments: tuple[tuple[int, int], ...] = ()
    """Pairs of a segment's id in the PNG and its class."""


@dataclass(frozen=True)
class Coco(RawData):
    """COCO, or an export in its format: instances (polygons and masks) or panoptic images are converted to classes."""

    name: ClassVar[str] = "coco"

    kind: Kind = "instances"
    """Which annotations to read: annotations/instances_*.json or annotations/panoptic_*.json."""
    background: Literal["class", "void"] = "class"
    """Whether pixels outside all instances have the class background or no class."""
    size: tuple[int, int] | None = None
    """Height and width of the store's images; by default those of the first image."""
    val_share: float = 0.1
    """Share of the images, taken from the end, that is used for validation if there is no list for it."""

    @override
    def contents(self, raw: Path) -> RawIndex:
        """Read the JSON files and find the images."""
        require(raw, (), WHERE)
        lists = {
            name: _AnnotationFile.read(raw, name, path, self.kind) for name, path in _find_lists(raw, self.kind).items()
        }
        with_background = self.kind == "instances" and self.background == "class"
        if len({_split(name) for name in lists}) < len(lists):
            raise ValueError(f"{raw} has two lists of one split among {', '.join(lists)}: move one away")
        classes = _class_set(lists, with_background)
        index = {name: id_ for id_, name in enumerate(classes.classes)}
        samples = {_split(name): file.samples(index) for name, file in lists.items()}
        folders = {file.folder for file in lists.values()}
        warn_of_unlisted([image for folder in sorted(folders) for image in images_in(folder)], samples, "image", raw)
        splits = train_and_val(samples, self.val_share, raw)
        size = self.size or size_of(splits["train"][0].files["image"])
        background_id = 0 if with_background else IGNORE_INDEX
        read = partial(_read_panoptic, size=size)
        if self.kind == "instances":
            read = partial(read_regions, size=size, background_id=background_id)
        return RawIndex(
            size=size,
            splits=splits,
            fields={FIELD: Semseg(classes)},
            source={"annotations": self.kind, "lists": list(lists), BACKGROUND: "class" if with_background else "void"},
            read=read,
            archives=tuple(file.path for file in lists.values()),
        )


class _AnnotationFile(NamedTuple):
    """Contents of a JSON file."""

    path: Path
    folder: Path
    """Folder of the images."""
    kind: Kind
    categories: dict[int, str]
    """Names by id."""
    colors: dict[str, Color]
    images: list[dict[str, Any]]
    annotations: dict[int, list[dict[str, Any]]]
    """Annotations by image id."""

    @classmethod
    def read(cls, raw: Path, name: str, path: Path, kind: Kind) -> "_AnnotationFile":
        """Read a JSON file. Raises ``ValueError`` that names the file if its format is wrong or it has no images."""
        content = _load_json(path)
        try:
            categories_by_id = sorted(content["categories"], key=lambda entry: _whole(entry, "id"))
            _check_unique("categories", [_whole(entry, "id") for entry in categories_by_id])
            _check_unique("images", [_whole(entry, "id") for entry in content["images"]])
            categories = {_whole(entry, "id"): str(entry["name"]) for entry in categories_by_id}
            colors_by_name = {str(entry["name"]): _color(entry.get("color")) for entry in categories_by_id}
            colors = {name: color for name, color in colors_by_name.items() if color is not None}
            annotations: dict[int, list[dict[str, Any]]] = {_whole(entry, "id"): [] for entry in content["images"]}
            for entry in content["annotations"]:
                if _whole(entry, "image_id") not in annotations:
                    raise ValueError(f"an annotation belongs to image {entry['image_id']}, which is not listed")
                annotations[_whole(entry, "image_id")].append(entry)
            if not content["images"]:
                raise ValueError("it lists no images")
            folder = _image_folder(raw, name, path, str(content["images"][0]["file_name"]))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ValueError(
                f"{path} is not in COCO's {kind} format: {_reason(error)}. Export it again. {WHERE}"
            ) from error
        return cls(path, folder, kind, categories, colors, content["images"], annotations)

    def samples(self, classes: Mapping[str, int]) -> list[RawSample]:
        """Return the images with their annotations. Raises ``ValueError`` that names the image of an invalid one."""
        ids = {category: classes[name] for category, name in self.categories.items()}
        samples = []
        for image in self.images:
            try:
                samples.append(self._sample(image, ids))
            except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
                file_name = image.get("file_name", image) if isinstance(image, dict) else image
                raise ValueError(f"{self.path}, image {file_name}: {_reason(error)}") from error
        if self.kind == "instances":
            self._check_areas([sample for sample in samples if isinstance(sample, RegionSample)])
        return samples

    def _check_areas(self, samples: Sequence[RegionSample]) -> None:
        """Warn about annotations without an area. Raises ``ValueError`` if none has an area."""
        drawn = sum(len(sample.regions) for sample in samples)
        if not drawn:
            raise ValueError(f"{self.path} has no segmentation, at most boxes: export polygons or masks")
        if (count := sum(map(len, self.annotations.values()))) > drawn:
            warnings.warn(
                f"{self.path}: {count - drawn} of {count} annotations {agreeing(count - drawn, 'has', 'have')} no "
                "segmentation, at most a box: left out, so their pixels count as outside all instances",
                stacklevel=2,
            )
        check_regions(samples, self.path)

    def _sample(self, image: dict[str, Any], ids: Mapping[int, int]) -> RawSample:
        name = str(image["file_name"])
        path = find_file(self.folder, name)
        if path is None:
            raise ValueError(f"{self.folder / name} is not there: add it, or leave the image out of the list")
        stem = Path(name).with_suffix("").as_posix()
        annotations = self.annotations[_whole(image, "id")]
        size = _whole(image, "height"), _whole(image, "width")
        if self.kind == "instances":
            drawn = [(entry, region) for entry in annotations if (region := _region(entry, ids, size)) is not None]
            drawn.sort(key=lambda pair: (not float(pair[0].get("iscrowd") or 0), -_area(*pair)))
            return RegionSample(stem, {"image": path}, size, tuple(region for _, region in drawn))
        if len(annotations) != 1:
            raise ValueError(f"it has {len(annotations)} annotations instead of one")
        png = str(annotations[0]["file_name"])
        segments = tuple((_whole(entry, "id"), _class_of(entry, ids)) for entry in annotations[0]["segments_info"])
        masks = self.path.with_suffix("")
        mask = find_file(masks, png)
        if mask is None:
            raise ValueError(f"{masks / png} is not there: unpack {masks.name} next to the JSON file")
        return PanopticSample(stem, {"image": path, FIELD: mask}, segments)


def _find_lists(raw: Path, kind: Kind) -> dict[str, Path]:
    """Return the JSON files by list name. Raises ``FileNotFoundError`` with the remedy if there are none."""
    folder = raw / "annotations"
    paths = {path.stem.removeprefix(f"{kind}_"): path for path in sorted(folder.glob(f"{kind}_*.json"))}
    if not paths and kind == "instances":
        paths = {path.parent.name: path for path in sorted(raw.glob(f"*/{_ROBOFLOW_FILE}"))}
    if paths:
        return paths
    other: Kind = "panoptic" if kind == "instances" else "instances"
    if list(folder.glob(f"{other}_*.json")):
        raise FileNotFoundError(f"{folder} has {other}_*.json, no {kind}_*.json: pass --kind {other}")
    others = sorted(path.relative_to(raw).as_posix() for path in [*raw.glob("*.json"), *folder.glob("*.json")])
    move = f"move {others[0]} to annotations/{kind}_default.json if it is the list, or " if others else ""
    raise FileNotFoundError(
        f"{raw} has neither annotations/{kind}_*.json nor */{_ROBOFLOW_FILE}: {move}check the folder. {WHERE}"
    )


def _split(name: str) -> str:
    """Return the name of a list without its year."""
    return re.sub(r"(?<=[a-z])_?\d{4}$", "", name)


def _image_folder(raw: Path, name: str, path: Path, first_image: str) -> Path:
    """Return the folder of a list's images: the one that has the first image."""
    names = (name, _split(name), "")
    candidates = [raw / top / inner for inner in names for top in ("", "images")] if path.name != _ROBOFLOW_FILE else []
    candidates = list(dict.fromkeys(candidates))
    for candidate in (*candidates, path.parent):
        if find_file(candidate, first_image):
            return candidate
    raise ValueError(
        f"{first_image} is in none of {', '.join(str(candidate) for candidate in candidates[:4]) or path.parent}; put "
        "the images into one of them"
    )


def _load_json(path: Path) -> Any:
    if (size := path.stat().st_size) > _MOST_BYTES:
        raise ValueError(f"{path} has {size} bytes, and {_MOST_BYTES} are possible: divide it into several lists")
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not readable JSON ({error}): download or export it again") from error


def _class_set(lists: Mapping[str, _AnnotationFile], with_background: bool) -> ClassSet:
    """Return the classes of all lists. Raises ``ValueError`` if the lists differ, or as ``own_classes`` does."""
    first, *others = lists.values()
    for other in others:
        if other.categories != first.categories:
            raise ValueError(f"{other.path} has different categories from {first.path}: export both with the same")
    names = list(dict.fromkeys(first.categories.values()))
    if with_background:
        background = background_among(names)
        names = [background, *(name for name in names if name != background)]
    shift = not with_background  # black is for the background
    colors = [first.colors.get(name, voc_color(index + shift)) for index, name in enumerate(names)]
    return own_classes(names, colors, first.path)


def _color(color: Any) -> Color | None:
    """Return the color [red, green, blue] or "#rrggbb"; None for another form, since colors are only for display."""
    if isinstance(color, str):
        return from_hex(color)
    if not (isinstance(color, list) and len(color) == 3 and all(isinstance(channel, int | float) for channel in color)):
        return None
    red, green, blue = (int(channel) & 255 for channel in color)
    return red, green, blue


def _class_of(annotation: dict[str, Any], ids: Mapping[int, int]) -> int:
    """Return the class of an annotation or a segment. Raises ``ValueError`` if its category is not listed."""
    category = _whole(annotation, "category_id")
    if category not in ids:
        raise ValueError(f"an annotation has category {category}, which is not listed")
    return ids[category]


def _region(annotation: dict[str, Any], ids: Mapping[int, int], size: tuple[int, int]) -> Region | None:
    """Return the region of an annotation; None if it has at most a box."""
    class_id, segmentation = _class_of(annotation, ids), annotation.get("segmentation")
    if isinstance(segmentation, dict):
        height, width = map(int, segmentation["size"])
        if (height, width) != size:
            raise ValueError(f"a mask has size {(height, width)} instead of {size}")
        counts = segmentation["counts"]
        lengths = decode_lengths(counts) if isinstance(counts, str) else tuple(map(int, counts))
        return Region(class_id, runs=Runs(lengths, (0, 0, height, width), by_column=True))
    if not segmentation:
        return None
    if not isinstance(segmentation, list):
        raise ValueError(f"segmentation is {segmentation!r:.40}: it must be polygons or run lengths")
    if not isinstance(segmentation[0], list) or all(len(part) == 2 for part in segmentation):  # a polygon, not a list
        segmentation = [segmentation]
    return Region(class_id, tuple(map(polygon, segmentation)))


def _area(annotation: dict[str, Any], region: Region) -> float:
    """Return the area that an annotation states, or else that of its region."""
    area = float(annotation.get("area") or 0)
    return area if area and math.isfinite(area) else region.area


def _whole(entry: Mapping[str, Any], key: str) -> int:
    """Return a whole number of an entry. Raises ``KeyError`` or ``ValueError`` that names the key."""
    value = entry[key]
    try:
        number = int(value)
        if isinstance(value, float) and number != value:
            raise ValueError
    except (TypeError, ValueError):
        raise ValueError(f"{key} is {value!r}, where a whole number belongs") from None
    return number


def _check_unique(noun: str, ids: list[int]) -> None:
    if repeated := [id_ for id_, count in Counter(ids).items() if count > 1]:
        raise ValueError(f"two {noun} have the id {repeated[0]}")


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"{error.args[0]!r} is missing"
    return f"it has unexpected values ({error})" if isinstance(error, TypeError) else str(error)


def _read_panoptic(raw: PanopticSample, size: tuple[int, int]) -> Sample:
    path = raw.files[FIELD]
    with open_image(path) as image:
        segments = np.asarray(image.convert("RGB")).astype(np.int64) @ np.array([1, 256, 65536])
    classes = dict(raw.segments) | {0: IGNORE_INDEX}
    ids = look_up(
        segments,
        classes,
        lambda unknown: f"{path} has the segments {unknown[:3]}, which the JSON file lacks: download both again",
    )
    return labeled_sample(raw.name, raw.files["image"], ids, str(path), size)
