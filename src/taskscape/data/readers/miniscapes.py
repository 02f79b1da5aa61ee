"""Miniscapes, and the streets that ``taskscape synth`` writes: rendered scenes with segmentation, depth and normals.

The raw folder holds, for each of the splits ``train`` (20,000 images), ``val`` (2,500), ``test`` (2,500), or those that
were generated::

    SPLIT/rgb/INDEX.jpg         RGB
    SPLIT/semseg/INDEX.png      palette or grey: Cityscapes train ids 0 … 18, 255 = none
    SPLIT/depth/INDEX.png       8-bit disparity v: 0 is invalid, 1 … 255 are linear in 1/metres from 1/300 to 1/4
    SPLIT/normals/INDEX.png     generated streets only: n = v / 255 · 2 - 1 in camera axes (x right, y down,
                                z forward), (0, 0, 0) is invalid
    SPLIT/streets.json          generated streets only: what they were made with

Depth in the store is in metres, 4 … 300; a step of the disparity is 0.4 % at 4 m and 29 % at 300 m.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np

from taskscape.batch import Sample
from taskscape.modalities.fields import Array, Mask
from taskscape.data.readers.base import (
    Contents,
    Item,
    RawData,
    read_grey,
    read_json,
    read_label,
    require,
    require_all,
    stems,
    unit_vectors,
)
from taskscape.data.readers.images import read_image, size_of
from taskscape.modalities.class_sets import CITYSCAPES_19, VOID

COUNTS = {"train": 20000, "val": 2500, "test": 2500}
WHERE = (
    "Miniscapes is handed out by the Computer Vision Lab of ETH Zurich; "
    "taskscape synth writes streets of one's own in the same layout"
)
NEAREST, FARTHEST = 4.0, 300.0
"""Metres at v = 255 and at v = 1."""
_RECORD = "streets.json"


@dataclass(frozen=True)
class Miniscapes(RawData):
    """Miniscapes, or what taskscape synth wrote, which has normals too."""

    name: ClassVar[str] = "miniscapes"

    size: tuple[int, int] | None = None
    """Height and width of the store's images; by default those of the first."""
    partial: bool = False
    """Accept fewer images than the published 20,000, 2,500 and 2,500, and leave out those without all their files."""

    def contents(self, raw: Path) -> Contents:
        """Find the images of every split with all their labels."""
        require(raw, ["train"], f"The folder above train, val and test is needed. {WHERE}")
        folders = {split: raw / split for split in (*COUNTS, "shifted") if (raw / split).is_dir()}
        for folder in folders.values():
            require(folder, ["rgb", "semseg", "depth"], WHERE)
        normals = all((folder / "normals").is_dir() for folder in folders.values())
        kinds = ("rgb", "semseg", "depth", *(("normals",) if normals else ()))
        splits = {split: self._items(folder, kinds) for split, folder in folders.items()}
        records = {
            split: read_json(folder / _RECORD) for split, folder in folders.items() if (folder / _RECORD).exists()
        }
        for split, items in splits.items():
            expected = COUNTS.get(split)
            if not items or (len(items) != expected and split not in records and not self.partial):
                raise ValueError(
                    f"{folders[split]} has {len(items)} images, {expected} are published: "
                    f"unpack or download the rest, or pass --partial to go on with what is there. {WHERE}"
                )
        size = self.size or size_of(next(iter(splits.values()))[0].files["rgb"])
        source = {
            "depth": {"unit": "metre", "formula": "1 / (1/300 + (v - 1) / 254 * (1/4 - 1/300)); v = 0 is not valid"},
            **({"generated": records} if records else {}),
            **({"normals": {"from": "normals/", "axes": "x right, y down, z forward"}} if normals else {}),
        }
        tasks = ("semseg", "depth", *kinds[3:])
        return Contents(size, splits, tasks, CITYSCAPES_19, source, partial(_read, size=size))

    def _items(self, folder: Path, kinds: tuple[str, ...]) -> list[Item]:
        files = {kind: stems(folder / kind) for kind in kinds}
        if self.partial:
            names = sorted(set.intersection(*(set(some) for some in files.values())))
        else:
            names = require_all(
                {f"{folder / kind} files": some for kind, some in files.items()},
                "let taskscape synth finish, unpack them again, or pass --partial to leave out such images",
            )
        return [Item(name, {kind: some[name] for kind, some in files.items()}) for name in names]


def metres(v: Array) -> Array:
    """Return the depth of 8-bit disparities; that of 0 means nothing."""
    return (1 / (1 / FARTHEST + (np.maximum(v, 1.0) - 1) / 254 * (1 / NEAREST - 1 / FARTHEST))).astype(np.float32)


def _read(item: Item, size: tuple[int, int]) -> Sample:
    ids = read_grey(item.files["semseg"], 8, size, "class ids")
    disparity = read_grey(item.files["depth"], 8, size, "disparity")
    labels: dict[str, Array] = {"semseg": ids, "depth": metres(disparity)}
    valid: dict[str, Mask] = {"semseg": ids != VOID, "depth": disparity > 0}
    if "normals" in item.files:
        stored = read_label(item.files["normals"], size)
        labels["normals"], long = unit_vectors(stored / 127.5 - 1)
        valid["normals"] = long & stored.any(-1)
        labels["normals"] *= valid["normals"][..., None]
    return Sample(read_image(item.files["rgb"], size), labels, valid, item.name)
