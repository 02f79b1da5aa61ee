"""A packed store of random images, for benchmarks that depend only on sizes and counts."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from taskscape.batch import Sample
from taskscape.data import StoreWriter
from taskscape.modalities import Depth, Semseg
from taskscape.modalities.class_sets import CITYSCAPES_19


def random_store(path: Path, size: tuple[int, int], counts: Mapping[str, int]) -> Path:
    """Write a store with these counts of images, with labels of 19 classes and depth at every pixel; return it."""
    rng = np.random.default_rng(0)
    writer = StoreWriter(path, size, counts, {"semseg": Semseg(CITYSCAPES_19), "depth": Depth()}, {"kind": "random"})
    everywhere = np.ones(size, np.bool_)
    for split, images in counts.items():
        for index in range(images):
            values: dict[str, np.ndarray] = {
                "image": rng.integers(0, 256, (*size, 3), dtype=np.uint8),
                "semseg": rng.integers(0, 19, size, dtype=np.uint8),
                "depth": rng.uniform(2, 50, size).astype(np.float32),
            }
            writer.put(split, index, Sample(values, {"semseg": everywhere, "depth": everywhere}, f"{split}{index}"))
    writer.finish()
    return path
