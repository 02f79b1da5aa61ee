"""Pascal VOC as published, and your own data in its layout with its classes.

The raw folder is ``VOC2012`` of ``VOCtrainval_11-May-2012.tar``, or one with the same layout::

    JPEGImages/NAME.jpg                 8-bit RGB of any size
    SegmentationClass/NAME.png          palette, or RGB in its colors, or gray: 0 = background, 1 … 20 = aeroplane …
                                        tvmonitor, 255 = void (the contours, (224, 224, 192) in the palette)
    ImageSets/Segmentation/train.txt    names without extension, one per line; val.txt likewise

The field ``semseg`` has 21 classes. Data with other classes in this layout list them in a ``labelmap.txt``; use the
reader ``cvat`` for these.

Images are averaged down to ``size``; labels take the nearest pixel.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

from typing_extensions import override

from taskscape.batch import Sample
from taskscape.data.readers.base import RawData, RawIndex, RawSample
from taskscape.data.readers.class_masks import FIELD, check_size_of_image, labeled_sample, read_class_mask, voc_color
from taskscape.data.readers.colors import Color
from taskscape.data.readers.files import read_text, require, stems
from taskscape.data.readers.images import SUFFIXES, likely_size_of, size_of
from taskscape.data.readers.samples import read_samples, stored_size
from taskscape.data.readers.splits import train_and_val, warn_of_unlisted
from taskscape.modalities import IGNORE_INDEX, ClassSet, Semseg
from taskscape.serialization import listed

WHERE = "Pascal VOC is available from http://host.robots.ox.ac.uk/pascal/VOC/voc2012/: give the folder VOC2012 in it"
IMAGES, MASKS, LISTS = "JPEGImages", "SegmentationClass", "ImageSets/Segmentation"

_NAMES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
VOC_21 = ClassSet("pascal-voc-21", _NAMES, tuple(map(voc_color, range(21))))
"""The 20 classes of Everingham et al., The Pascal Visual Object Classes (VOC) Challenge, IJCV 2010, and background."""


@dataclass(frozen=True)
class Voc(RawData):
    """Pascal VOC, or data with its 21 classes in its layout: JPEGImages, SegmentationClass, ImageSets/Segmentation."""

    name: ClassVar[str] = "voc"

    size: tuple[int, int] | None = None
    """Height and width of the store's images; by default those of the first image."""
    val_share: float = 0.1
    """Share of the images, taken from the end, that is used for validation if there is no val.txt."""

    @override
    def contents(self, raw: Path) -> RawIndex:
        """Read the lists and match the names."""
        require(raw, (IMAGES, MASKS, LISTS), WHERE)
        lists = samples_of_lists(raw, ("train", "val"))
        if (raw / "labelmap.txt").exists():
            raise ValueError(f"{raw} has a labelmap.txt with classes of its own: prepare it with the reader cvat")
        splits = train_and_val(lists, self.val_share, raw / LISTS)
        size = self.size or size_of(splits["train"][0].files["image"])
        ids = {color: id_ for id_, color in enumerate(VOC_21.palette)} | {(224, 224, 192): IGNORE_INDEX}
        numbers = {id_: id_ for id_ in ids.values()}
        return RawIndex(
            size=size,
            splits=splits,
            fields={FIELD: Semseg(VOC_21)},
            source={"splits": "as listed in ImageSets/Segmentation", "void": "255, the contours of objects"},
            read=partial(read_mask, ids=ids, numbers=numbers, size=size),
        )


def samples_of_lists(raw: Path, names: Sequence[str] | None = None) -> dict[str, list[RawSample]]:
    """Return the images and masks of the lists with these names; by default of all lists except trainval.

    Warns about masks that are in no list. Raises ``ValueError`` or ``FileNotFoundError`` if there is no list, or files
    are missing.
    """
    images, masks = stems_below(raw / IMAGES), stems_below(raw / MASKS)
    found = {path.stem: path for path in sorted((raw / LISTS).glob("*.txt"))}
    paths = {name: path for name, path in found.items() if (name in names if names else name.lower() != "trainval")}
    if not paths:
        expected = listed([f"{name}.txt" for name in names]) if names else "list"
        raise FileNotFoundError(f"{raw / LISTS} has no {expected}: make one with one image name per line")
    if names and "train" not in paths and len(found) > len(paths):
        raise FileNotFoundError(
            f"{raw / LISTS} has no train.txt; it holds {listed([path.name for path in found.values()])}: name the list "
            "of the training images train.txt"
        )
    lists = {}
    for split, path in paths.items():
        lines = (line.strip() for line in read_text(path).splitlines())
        image_names = list(dict.fromkeys(_name_in(line, images) for line in lines if line))
        for kind, files in ((IMAGES, images), (MASKS, masks)):
            if lacking := [name for name in image_names if name not in files]:
                raise ValueError(
                    f"{path} names {len(lacking)} of {len(image_names)} images that {raw / kind} does not have, such "
                    f"as {listed(lacking, 3)}: add the files, or correct the list"
                )
        for name in image_names:
            if likely_size_of(images[name]) != stored_size(masks[name]):
                # Some orientations are only known after decoding the file.
                check_size_of_image(images[name], read_samples(masks[name]).size, str(masks[name]))
        lists[split] = [RawSample(name, {"image": images[name], FIELD: masks[name]}) for name in image_names]
    warn_of_unlisted(masks.values(), lists, FIELD, raw / MASKS)
    return lists


def _name_in(line: str, images: Collection[str]) -> str:
    """Return the image that a line names, with or without extension: the whole line, or its first word."""
    for name in (line, line.split()[0]):
        candidates = (name, name.rpartition(".")[0] if name.lower().endswith(SUFFIXES) else name)
        if found := next((candidate for candidate in candidates if candidate in images), None):
            return found
    return candidates[1]


def stems_below(folder: Path) -> dict[str, Path]:
    """Return the images in a folder and its subfolders, by their relative path without extension."""
    inner = sorted(path for path in folder.rglob("*") if path.is_dir())
    return {
        (path.parent / name).relative_to(folder).as_posix(): path
        for parent in (folder, *inner)
        for name, path in stems(parent).items()
    }


def read_mask(raw: RawSample, ids: Mapping[Color, int], numbers: Mapping[int, int], size: tuple[int, int]) -> Sample:
    """Read an image and its class mask (``read_class_mask``)."""
    mask = read_class_mask(raw.files[FIELD], ids, numbers)
    return labeled_sample(raw.name, raw.files["image"], mask, str(raw.files[FIELD]), size)
