"""Random samples and writers of small stores."""

from pathlib import Path

import numpy as np

from taskscape.batch import Sample
from taskscape.data import StoreWriter
from taskscape.data.augment import Draws
from taskscape.modalities import Depth, Modality, Normals, Semseg
from taskscape.modalities.class_sets import CITYSCAPES_19

FIELDS: dict[str, Modality] = {"semseg": Semseg(CITYSCAPES_19), "depth": Depth(), "normals": Normals()}
NAMES = tuple(FIELDS)
SIZE = (6, 10)


def sample(seed: int, size: tuple[int, int] = SIZE) -> Sample:
    random = np.random.default_rng(seed)
    normals = random.normal(size=(*size, 3)).astype(np.float32)
    values = {
        "semseg": random.integers(0, 19, size),
        "depth": random.uniform(1, 100, size).astype(np.float32),
        "normals": normals / np.linalg.norm(normals, axis=-1, keepdims=True),
    }
    valid = {name: random.random(size) < 0.8 for name in NAMES}
    values["image"] = random.integers(0, 256, (*size, 3), np.uint8)
    return Sample(values, valid, f"street {seed}")


def without_labels(one: Sample) -> Sample:
    return one._replace(values={"image": one.values["image"]}, valid={})


def writer(path: Path, size: tuple[int, int] = SIZE, shard: int | None = None, **counts: int) -> StoreWriter:
    return StoreWriter(path, size, counts, FIELDS, {"kind": "test"}, shard)


def draws(count: int, **values: float) -> Draws:
    """Return draws of ½ unless set otherwise: no rotation, the window in the center, no flip."""
    return Draws(*(np.full(count, values.pop(name, 0.5)) for name in Draws._fields))
