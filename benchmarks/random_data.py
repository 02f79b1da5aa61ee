"""Random images and labels, for benchmarks that depend only on sizes and counts."""

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from taskscape.batch import Batch, Sample, Target
from taskscape.data import StoreWriter
from taskscape.modalities import Depth, Semseg
from taskscape.modalities.class_sets import CITYSCAPES_19, ClassSet

CPU = torch.device("cpu")


def random_batch(
    images: int,
    size: tuple[int, int],
    tasks: Collection[str] = ("semseg", "depth"),
    classes: ClassSet = CITYSCAPES_19,
    device: torch.device = CPU,
) -> Batch:
    """Return images with labels for ``tasks`` that are valid everywhere: classes, depth in meters, normals."""
    generator = torch.Generator().manual_seed(0)
    everywhere = torch.ones(images, *size, dtype=torch.bool, device=device)
    values = {
        "semseg": torch.randint(len(classes), (images, *size), generator=generator),
        "depth": 1 + 9 * torch.rand(images, 1, *size, generator=generator),
        "normals": F.normalize(torch.randn(images, 3, *size, generator=generator), dim=1),
    }
    image = torch.rand(images, 3, *size, generator=generator).to(device)
    targets = {name: Target(values[name].to(device), everywhere) for name in tasks}
    return Batch(image, targets, torch.arange(images, device=device))


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
