"""Cityscapes as published: photographs of streets with segmentation and disparity.

The raw folder holds the unpacked contents of ``leftImg8bit_trainvaltest.zip``, ``gtFine_trainvaltest.zip``,
``disparity_trainvaltest.zip`` and optionally ``camera_trainvaltest.zip``. ``*`` is ``CITY_SEQUENCE_FRAME``; every image
is 1024x2048::

    leftImg8bit/SPLIT/CITY/*_leftImg8bit.png   8-bit RGB
    gtFine/SPLIT/CITY/*_gtFine_labelIds.png    8-bit ids 0 … 33
    disparity/SPLIT/CITY/*_disparity.png       16-bit p: 0 is invalid, else the disparity is d = (p - 1) / 256 pixels
    camera/SPLIT/CITY/*_camera.json            extrinsic.baseline in meters, intrinsic.fx in pixels

Splits are ``train`` (2,975 images) and ``val`` (500); the labels of ``test`` are withheld.

Segmentation has 19 classes, with every other id void; or the 7 groups of the papers with 7 classes, which keep some ids
that the 19 classes leave out (parking, rail track, guard rail, bridge, tunnel, pole group, caravan, trailer); or 2
classes, background and foreground. Depth in meters is baseline · fx / d; p = 1 has no finite depth and is invalid.
Without the camera files, 0.209313 m · 2262.52 px is assumed for every image. The manifest stores the product as
``source.depth.meters_times_pixels``, so the disparity is product / depth, and the "inverse depth" of the MTAN papers,
(p - 1) / 65536, is product / (256 · depth).

Images are averaged down to ``size``; labels and disparity take the nearest pixel.
"""

import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from typing_extensions import override

from taskscape.batch import Sample
from taskscape.data.readers.base import RawData, RawIndex, RawSample
from taskscape.data.readers.files import match_files, read_json, require
from taskscape.data.readers.gray_labels import read_gray
from taskscape.data.readers.images import read_image_with_size
from taskscape.data.readers.labels import resize_nearest
from taskscape.modalities import Depth, Modality, Semseg
from taskscape.modalities.class_sets import (
    CITYSCAPES_2,
    CITYSCAPES_7,
    CITYSCAPES_19,
    IGNORE_INDEX,
    ClassSet,
    from_cityscapes_ids,
)
from taskscape.modalities.depth import METERS_AT_DISPARITY_1
from taskscape.serialization import listed

WHERE = "Cityscapes is available, after registration, from https://www.cityscapes-dataset.com/downloads"
PUBLISHED = {"train": 2975, "val": 500}
"""Number of images per split."""
ASSUMED = 256 * METERS_AT_DISPARITY_1
"""Baseline in meters times focal length in pixels of most of the images."""

_ENDINGS = {
    "leftImg8bit": "_leftImg8bit.png",
    "gtFine": "_gtFine_labelIds.png",
    "disparity": "_disparity.png",
    "camera": "_camera.json",
}
_LAST_ID = 33
_CLASS_SETS = {19: CITYSCAPES_19, 7: CITYSCAPES_7, 2: CITYSCAPES_2}


@dataclass(frozen=True)
class Cityscapes(RawData):
    """Cityscapes as downloaded: leftImg8bit, gtFine, disparity, and optionally camera."""

    name: ClassVar[str] = "cityscapes"

    classes: Literal[19, 7, 2] = 19
    """Number of classes."""
    size: tuple[int, int] = (128, 256)
    """Height and width of the store's images; 128x256 and 256x512 are usual, 1024x2048 is the full size."""
    depth: bool = True
    """Whether the store has depth; without it, the disparity files are not needed."""
    partial: bool = False
    """Accept fewer images than the published 2,975 and 500, and leave out images that lack a file."""

    @override
    def contents(self, raw: Path) -> RawIndex:
        kinds = ("leftImg8bit", "gtFine", *(("disparity",) if self.depth else ()))
        wanted = [f"{kind}/{split}" for kind in kinds for split in PUBLISHED]
        endings = listed([_ENDINGS[kind] for kind in kinds])
        remedy = f"The files of train and val that end in {endings} are needed (labels of test are withheld). {WHERE}"
        require(raw, wanted, f"Wrong folder, or a part was not downloaded. {remedy}")
        cameras = self.depth and (raw / "camera").is_dir()
        kinds = (*kinds, "camera") if cameras else kinds
        splits = {
            split: match_files(_files(raw, split, kinds), f"{raw}, {split}", published, self.partial, remedy)
            for split, published in PUBLISHED.items()
        }
        fields: dict[str, Modality] = {"semseg": Semseg(_CLASS_SETS[self.classes])}
        source: dict[str, object] = {"splits": "train and val as published"}
        if self.depth:
            fields["depth"] = Depth()
            products: object = ASSUMED
            if cameras:
                products = {
                    s: [_meters_times_pixels(sample.files["camera"]) for sample in samples]
                    for s, samples in splits.items()
                }
            source["depth"] = {
                "unit": "meter",
                "formula": "meters_times_pixels / ((p - 1) / 256); p = 0 and p = 1 are not valid",
                "meters_times_pixels": products,
                "camera": "read from camera/" if cameras else "assumed: 0.209313 m * 2262.52 px for every image",
            }
        read = partial(_read, size=self.size, classes=_CLASS_SETS[self.classes])
        return RawIndex(self.size, splits, fields, source, read)


def _files(raw: Path, split: str, kinds: tuple[str, ...]) -> dict[str, dict[str, Path]]:
    """Return the files by kind and image name."""
    return {
        kind: {
            path.name.removesuffix(_ENDINGS[kind]): path
            for path in (raw / kind / split).glob(f"*/*{_ENDINGS[kind]}")
            if not path.name.startswith(".")
        }
        for kind in kinds
    }


def _meters_times_pixels(camera: Path) -> float:
    """Return baseline · fx of a camera file, in meters · pixels."""
    content = read_json(camera)
    try:
        product = float(content["extrinsic"]["baseline"]) * float(content["intrinsic"]["fx"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{camera} has no extrinsic.baseline and intrinsic.fx: download it again") from error
    if not 0 < product < math.inf:
        raise ValueError(f"{camera}: extrinsic.baseline times intrinsic.fx is {product}: download it again")
    return product


def _read(raw: RawSample, size: tuple[int, int], classes: ClassSet) -> Sample:
    image, native = read_image_with_size(raw.files["leftImg8bit"], size, None)
    raw_ids = read_gray(raw.files["gtFine"], 8, "class ids", native)
    if (largest := int(raw_ids.max())) > _LAST_ID:
        raise ValueError(
            f"{raw.files['gtFine']} has id {largest}, and ids end at {_LAST_ID}: download it again unchanged"
        )
    full_ids = from_cityscapes_ids(classes)[raw_ids]
    ids = resize_nearest(full_ids, size)
    values = {"image": image, "semseg": ids}
    valid = {"semseg": ids != IGNORE_INDEX}
    if "disparity" in raw.files:
        p = resize_nearest(read_gray(raw.files["disparity"], 16, "disparity", native), size).astype(np.float64)
        product = _meters_times_pixels(raw.files["camera"]) if "camera" in raw.files else ASSUMED
        values["depth"] = (product / (np.maximum(p - 1, 1) / 256)).astype(np.float32)
        valid["depth"] = p > 1
    return Sample(values, valid, raw.name, {"semseg": (full_ids, full_ids != IGNORE_INDEX)})
