"""Exports of CVAT with images, in two of its formats: *Segmentation mask 1.1* and *CVAT for images 1.1*.

Segmentation mask 1.1, which other tools write too::

    labelmap.txt                        one class per line: ``NAME:RED,GREEN,BLUE:PARTS:ACTIONS``; # starts a comment
    JPEGImages/NAME.jpg                 the images, in any supported format
    SegmentationClass/NAME.png          RGB or a palette in the colors of labelmap.txt, or gray with positions in it
    ImageSets/Segmentation/LIST.txt     names without extension, one per line: default.txt, or Train.txt and
                                        Validation.txt

CVAT for images 1.1::

    annotations.xml     <meta> with <label>, and one <image name width height subset> per image with <polygon>, <mask>,
                        <box> or <ellipse>; those with a higher z_order cover others. Points, lines, cuboids,
                        skeletons and tags have no area, and are only counted in the manifest
    images/NAME         the images, in one subfolder per subset if there are several

Pixels without a label have the class ``background``, in any spelling, the first, in black; with ``background`` =
``void`` they have no class. The field is ``semseg``. A single list or subset is divided into train and val by order.

Images are averaged down to ``size``; labels take the nearest pixel. A pixel belongs to a polygon if its center is
inside.
"""

import math
import re
import warnings
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal
from xml.etree import ElementTree as ET

import numpy as np
import numpy.typing as npt
from typing_extensions import override

from taskscape.data.readers.base import RawData, RawIndex
from taskscape.data.readers.class_masks import BACKGROUND, FIELD, background_among, own_classes, voc_color
from taskscape.data.readers.colors import Color, from_hex
from taskscape.data.readers.files import find_file, read_text, require
from taskscape.data.readers.images import size_of
from taskscape.data.readers.regions import Points, Region, RegionSample, Runs, check_regions, read_regions
from taskscape.data.readers.splits import train_and_val
from taskscape.data.readers.voc import IMAGES, LISTS, MASKS, read_mask, samples_of_lists
from taskscape.modalities import IGNORE_INDEX, ClassSet, Semseg

LABELMAP, XML = "labelmap.txt", "annotations.xml"
_LINE = re.compile(r"(.+):(\s*\d+\s*,\s*\d+\s*,\s*\d+\s*)(?::.*)?")
"""A line of labelmap.txt; names may contain colons."""
_BLACK = (0, 0, 0)
_REMEDY = "Export from CVAT as Segmentation mask 1.1 or CVAT for images 1.1, with images, and unpack it"
_MOST_BYTES = 1 << 28
"""Largest size of an XML file."""


@dataclass(frozen=True)
class Cvat(RawData):
    """A CVAT export with images: Segmentation mask 1.1 (labelmap.txt) or CVAT for images 1.1 (annotations.xml)."""

    name: ClassVar[str] = "cvat"

    background: Literal["class", "void"] = "class"
    """Whether pixels without a label have the class background or no class."""
    size: tuple[int, int] | None = None
    """Height and width of the store's images; by default those of the first image."""
    val_share: float = 0.1
    """Share of the images, taken from the end, that is used for validation if the export has no list or subset for it.
    """

    @override
    def contents(self, raw: Path) -> RawIndex:
        """Read the classes and the lists, or the XML file."""
        require(raw, (), _REMEDY)
        if (raw / XML).exists():
            return self._read_xml(raw)
        if (raw / MASKS).exists() or (raw / LABELMAP).exists():
            return self._read_masks(raw)
        raise FileNotFoundError(f"{raw} has neither {XML} nor {LABELMAP}. {_REMEDY}")

    def _read_masks(self, raw: Path) -> RawIndex:
        require(raw, (LABELMAP, IMAGES, MASKS, LISTS), _REMEDY)
        labelmap = _read_labelmap(raw / LABELMAP)
        background = background_among(labelmap)
        colors = labelmap if background in labelmap or _BLACK in labelmap.values() else {background: _BLACK, **labelmap}
        names = [name for name in colors if name != background or self.background == "class"]
        classes = own_classes(names, [colors[name] for name in names], raw / LABELMAP)
        index = {name: names.index(name) if name in names else IGNORE_INDEX for name in colors}
        numbers = {position: index[name] for position, name in enumerate(labelmap)}
        ids = {_BLACK: IGNORE_INDEX} | {color: index[name] for name, color in colors.items()}
        splits = train_and_val(samples_of_lists(raw), self.val_share, raw / LISTS)
        size = self.size or size_of(splits["train"][0].files["image"])
        return RawIndex(
            size=size,
            splits=splits,
            fields={FIELD: Semseg(classes)},
            source={"format": "Segmentation mask 1.1", BACKGROUND: self.background},
            read=partial(read_mask, ids=ids, numbers=numbers | {IGNORE_INDEX: IGNORE_INDEX}, size=size),
            archives=(raw / LABELMAP,),
        )

    def _read_xml(self, raw: Path) -> RawIndex:
        path = raw / XML
        root = _parse(path)
        labels = root.iterfind("./meta//labels/label")
        colors = {label.findtext("name", ""): label.findtext("color", "") for label in labels}
        if self.background == "class":
            background = background_among(colors)
            colors.pop(background, None)
            colors = {background: "#000000", **colors}
        classes = own_classes(
            list(colors), [from_hex(color) or voc_color(index) for index, color in enumerate(colors.values())], path
        )
        lists: dict[str, list[RegionSample]] = {}
        left_out: Counter[str] = Counter()
        for image in root.iterfind("./image"):
            try:
                lists.setdefault(image.get("subset", "default"), []).append(_sample(raw, image, classes, left_out))
            except (KeyError, TypeError, ValueError, OverflowError) as error:
                reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
                raise ValueError(f"{path}, image {image.get('name')}: {reason}. {_REMEDY}") from error
        if not lists:
            raise ValueError(f"{path} has no <image>: tracks of videos have none. {_REMEDY}")
        samples = [sample for subset_samples in lists.values() for sample in subset_samples]
        if not any(sample.regions for sample in samples):
            raise ValueError(f"{path} has no {', '.join(_SHAPES)}: draw some, and export it again")
        check_regions(samples, path)
        if left_out:
            counts = ", ".join(f"{count} {shape}" for shape, count in left_out.items())
            warnings.warn(f"{path}: shapes without an area are left out: {counts}", stacklevel=2)
        splits = train_and_val(lists, self.val_share, path)
        size = self.size or size_of(splits["train"][0].files["image"])
        background_id = 0 if self.background == "class" else IGNORE_INDEX
        return RawIndex(
            size=size,
            splits=splits,
            fields={FIELD: Semseg(classes)},
            source={"format": "CVAT for images 1.1", BACKGROUND: self.background, "left out": dict(left_out)},
            read=partial(read_regions, size=size, background_id=background_id),
            archives=(path,),
        )


def _read_labelmap(path: Path) -> dict[str, Color]:
    """Return the color of each class. Raises ``ValueError`` that names an invalid line."""
    colors: dict[str, Color] = {}
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            try:
                name, color = _LINE.fullmatch(line.strip()).groups()  # type: ignore[union-attr]
                red, green, blue = map(int, color.split(","))
            except (ValueError, AttributeError):
                raise ValueError(f"{path}, line {number} is {line!r}: it must be NAME:RED,GREEN,BLUE::") from None
            if not all(0 <= channel <= 255 for channel in (red, green, blue)):
                raise ValueError(f"{path}, line {number}: a channel of {color} is not in 0 … 255")
            if name in colors or (red, green, blue) in colors.values():
                raise ValueError(f"{path}, line {number}: the class {name!r} or its color is also in an earlier line")
            colors[name] = red, green, blue
    return colors


def _parse(path: Path) -> "ET.Element[str]":
    """Return the root of an XML file. Raises ``ValueError`` if the file is damaged, too large or not an export."""
    if (size := path.stat().st_size) > _MOST_BYTES:
        raise ValueError(f"{path} has {size} bytes, and {_MOST_BYTES} are possible: export fewer images at once")
    text = path.read_bytes()
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:  # exports have none, and entities can expand without limit
        raise ValueError(f"{path} declares a document type, which no export of CVAT does. {_REMEDY}")
    try:
        root = ET.fromstring(text)
    except ET.ParseError as error:
        raise ValueError(f"{path} is damaged or not XML ({error}). {_REMEDY}") from error
    if root.tag != "annotations":
        raise ValueError(f"{path} begins with <{root.tag}>, not <annotations>. {_REMEDY}")
    return root


def _sample(raw: Path, image: "ET.Element[str]", classes: ClassSet, left_out: Counter[str]) -> RegionSample:
    name, subset = image.attrib["name"], image.get("subset", "")
    size = int(image.attrib["height"]), int(image.attrib["width"])
    shapes = sorted(image, key=lambda shape: float(shape.get("z_order", 0)))
    regions = []
    for shape in shapes:
        if shape.tag not in _SHAPES:
            left_out[shape.tag] += 1
            continue
        if shape.attrib["label"] not in classes.classes:
            raise ValueError(f"label {shape.attrib['label']!r} is not one of {', '.join(classes.classes)}")
        class_id = classes.classes.index(shape.attrib["label"])
        try:
            regions.append(_SHAPES[shape.tag](class_id, shape.attrib))
        except ValueError as error:
            raise ValueError(f"a {shape.tag} of {shape.attrib['label']} has invalid numbers ({error})") from error
    path = _find_image(raw, name, subset)
    return RegionSample(Path(name).with_suffix("").as_posix(), {"image": path}, size, tuple(regions))


def _find_image(raw: Path, name: str, subset: str) -> Path:
    images = raw / "images"
    for folder, relative_path in ((images, Path(subset, name).as_posix()), (images, name), (raw, name)):
        if path := find_file(folder, relative_path):
            return path
    raise ValueError(f"{raw / 'images' / name} is missing: export with images")


def _polygon(class_id: int, shape: dict[str, str]) -> Region:
    points = [tuple(map(float, point.split(","))) for point in shape["points"].split(";")]
    if any(len(point) != 2 for point in points):
        raise ValueError(f"a polygon has the points {shape['points'][:40]!r}, which are not of the form x,y;x,y;…")
    return Region(class_id, (np.array(points, np.float32),))


def _box(class_id: int, shape: dict[str, str]) -> Region:
    left, top, right, bottom = (float(shape[side]) for side in ("xtl", "ytl", "xbr", "ybr"))
    corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    return Region(class_id, (_rotated(corners, ((left + right) / 2, (top + bottom) / 2), shape),))


def _ellipse(class_id: int, shape: dict[str, str]) -> Region:
    x, y, horizontal, vertical = (float(shape[key]) for key in ("cx", "cy", "rx", "ry"))
    angles = np.linspace(0, 2 * math.pi, 96, endpoint=False)
    corners = np.stack([x + horizontal * np.cos(angles), y + vertical * np.sin(angles)], 1)
    return Region(class_id, (_rotated(corners, (x, y), shape),))


def _rotated(corners: npt.NDArray[np.float64], center: tuple[float, float], shape: dict[str, str]) -> Points:
    """Return corners rotated about a center by the shape's ``rotation``, in degrees clockwise, by default 0."""
    angle = math.radians(float(shape.get("rotation", 0)))
    x, y = (corners - center).T
    turned = np.stack([x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)], 1)
    return (turned + center).astype(np.float32)


def _mask(class_id: int, shape: dict[str, str]) -> Region:
    top, left, height, width = (int(float(shape[key])) for key in ("top", "left", "height", "width"))
    lengths = tuple(map(int, shape["rle"].split(",")))
    return Region(class_id, runs=Runs(lengths, (top, left, height, width), by_column=False))


_SHAPES = {"polygon": _polygon, "box": _box, "ellipse": _ellipse, "mask": _mask}
