"""Images whose labels follow from their colors, packed into small stores."""

from collections.abc import Collection
from pathlib import Path

import numpy as np

from taskscape.batch import Sample
from taskscape.data import StoreWriter
from taskscape.modalities import Depth, Modality, Normals, Semseg
from taskscape.modalities.class_sets import CITYSCAPES_2, ClassSet

SIZE = (32, 48)


def blocks(rng: np.random.Generator, classes: int, size: tuple[int, int] = SIZE) -> Sample:
    """Return a wall of colored blocks: hue encodes the class, brightness the depth; the upper row has no depth."""
    height, width = size
    ids = rng.integers(0, classes, (height // 8, width // 8)).repeat(8, 0).repeat(8, 1).astype(np.uint8)
    depth = rng.uniform(2, 50, (height // 8, width // 8)).repeat(8, 0).repeat(8, 1).astype(np.float32)
    hues = np.array([[1.0, 0.3, 0.2], [0.2, 0.4, 1.0], [0.3, 1.0, 0.3]], np.float32)[ids]
    image = (hues * (255 * (1 - np.log(depth / 2) / np.log(50)))[..., None]).clip(0, 255).astype(np.uint8)
    normals = np.zeros((height, width, 3), np.float32)
    normals[..., 0], normals[..., 2] = np.where(ids == 0, 0.6, -0.6), -0.8
    valid = np.ones(size, bool)
    far = valid.copy()
    far[:8] = False
    return Sample(
        {"image": image, "semseg": ids, "depth": depth, "normals": normals},
        {"semseg": valid, "depth": far, "normals": valid},
        f"{int(rng.integers(10**9)):09d}",
    )


def pack(
    path: Path,
    train: int = 10,
    val: int = 6,
    classes: ClassSet = CITYSCAPES_2,
    fields: Collection[str] = ("semseg", "depth", "normals"),
    seed: int = 0,
    without_depth: Collection[int] = (),
    shown: int | None = None,
) -> Path:
    """Write a packed store of blocks, with some training images without depth, and return its folder.

    The images contain the first ``shown`` classes, by default all.
    """
    rng = np.random.default_rng(seed)
    counts = {"train": train, "val": val}
    every: dict[str, Modality] = {"semseg": Semseg(classes), "depth": Depth(), "normals": Normals()}
    writer = StoreWriter(path, SIZE, counts, {name: every[name] for name in fields}, {"kind": "blocks"})
    for split, count in counts.items():
        for index in range(count):
            sample = blocks(rng, shown or len(classes))
            known = {"image", *fields}
            if split == "train" and index in without_depth:
                known.discard("depth")
            values = {name: value for name, value in sample.values.items() if name in known}
            writer.put(split, index, sample._replace(values=values))
    writer.finish()
    return path
