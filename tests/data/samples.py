"""Random samples and writers of small stores."""

from pathlib import Path

import numpy as np

from taskscape.batch import Sample
from taskscape.data import StoreWriter
from taskscape.modalities.class_sets import CITYSCAPES_19

TASKS = ("semseg", "depth", "normals")
SIZE = (6, 10)


def sample(seed: int, size: tuple[int, int] = SIZE) -> Sample:
    random = np.random.default_rng(seed)
    normals = random.normal(size=(*size, 3)).astype(np.float32)
    labels = {
        "semseg": random.integers(0, 19, size),
        "depth": random.uniform(1, 100, size).astype(np.float32),
        "normals": normals / np.linalg.norm(normals, axis=-1, keepdims=True),
    }
    valid = {task: random.random(size) < 0.8 for task in TASKS}
    return Sample(random.integers(0, 256, (*size, 3), np.uint8), labels, valid, f"street {seed}")


def writer(path: Path, size: tuple[int, int] = SIZE, shard: int | None = None, **counts: int) -> StoreWriter:
    return StoreWriter(path, size, counts, TASKS, CITYSCAPES_19, {"kind": "test"}, shard)
