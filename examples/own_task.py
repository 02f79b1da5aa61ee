"""A task of your own, in one file: the elevation of terrain seen from above.

No part of it is in the package. The file defines a modality (what the numbers mean), a view (how they are shown), a
metric, a loss, a task that combines them, a reader of the raw files, and a recipe::

    python examples/own_task.py terrain                                    # writes raw files: hills from above
    taskscape prepare examples/own_task.py:Terrain terrain stores/terrain
    taskscape data check stores/terrain
    taskscape train examples/own_task.py:experiment --data.path stores/terrain --out runs/terrain
    taskscape predict runs/terrain terrain/image --out predictions
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from taskscape.batch import Sample, Target
from taskscape.data import Augmentation, Packed, RawData, RawIndex, RawSample
from taskscape.data.readers.files import require, stems
from taskscape.losses import L1, Loss, LossTerm
from taskscape.metrics import MetricSpec, TaskMetric
from taskscape.modalities import Modality
from taskscape.models import DeeplabJointConfig
from taskscape.runs import Experiment
from taskscape.tasks import Task
from taskscape.training.optimization import AdamWConfig
from taskscape.views import RgbArray, View, offer_view

# -- what the numbers mean ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Elevation(Modality):
    """Height above sea level, (H, W) float32 meters; valleys can be below it."""

    name: ClassVar[str] = "elevation"
    dtype: ClassVar[str] = "float32"
    sentinel: ClassVar[int | None] = -9999  # common in elevation models

    @property
    def unit(self) -> str:
        return "meter"

    def check(self, values: np.ndarray[Any, Any]) -> None:
        if not np.all((values > -1000) & (values < 10000)):
            raise ValueError("an elevation is not between -1000 m and 10000 m: mark such pixels as not valid")

    def unpack(self, stored: Tensor) -> Target:
        return Target(stored.unsqueeze(1), stored != self.sentinel)


# -- how they are shown ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ElevationView(View[Elevation]):
    """Gray levels: low is dark, high is bright."""

    lowest: float = 0.0
    """Elevation in meters that is shown in black."""
    highest: float = 400.0
    """Elevation in meters that is shown in white."""

    def colorize(self, values: np.ndarray[Any, Any], valid: np.ndarray[Any, Any] | None = None) -> RgbArray:
        gray = np.clip((values - self.lowest) / (self.highest - self.lowest), 0, 1) * 255
        if valid is not None:
            gray = np.where(valid, gray, 128)
        return np.repeat(gray.astype(np.uint8)[..., None], 3, axis=-1)

    def difference(
        self, label: np.ndarray[Any, Any], prediction: np.ndarray[Any, Any], valid: np.ndarray[Any, Any]
    ) -> RgbArray:
        return self.colorize(np.abs(prediction - label), valid)

    def scores(
        self, label: np.ndarray[Any, Any], prediction: np.ndarray[Any, Any], valid: np.ndarray[Any, Any]
    ) -> list[str]:
        error = np.abs(prediction - label)
        return [f"{e[v].mean():.0f} m error" if v.any() else "" for e, v in zip(error, valid, strict=True)]

    def legend(self, label: np.ndarray[Any, Any], prediction: np.ndarray[Any, Any], valid: np.ndarray[Any, Any]) -> str:
        return f"<p>Black is {self.lowest:g} m, white is {self.highest:g} m.</p>"

    def encode(self, values: np.ndarray[Any, Any]) -> Image.Image:
        return Image.fromarray(np.clip(np.rint(values) + 1000, 0, 65535).astype(np.uint16))

    def metadata(self) -> Mapping[str, Any]:
        return {"type": "elevation", "unit": "meter", "formula": "value - 1000"}


offer_view(Elevation, ElevationView)

# -- how predictions are compared with labels --------------------------------------------------------------------------


@dataclass(frozen=True)
class Relief(Loss):
    """|prediction - value|, and weight · |slope of the prediction - slope of the value| from column to column.

    A loss of single pixels would be a ``PixelLoss``. A slope needs two valid pixels: where a pixel is not valid, the
    prediction may be anything.
    """

    name: ClassVar[str] = "relief"

    weight: float = 0.5
    """Weight of the slopes."""

    def term(self, prediction: Tensor, target: Target) -> LossTerm:
        error = (prediction.float() - target.value)[:, 0].masked_fill(~target.valid, 0)
        slope = error.diff(dim=-1) * (target.valid[..., 1:] & target.valid[..., :-1])
        return LossTerm(error.abs().sum() + self.weight * slope.abs().sum(), target.valid.sum())


class ElevationMetric(TaskMetric):
    """Mean absolute error, and the fraction of pixels with an error below ten meters."""

    def __init__(self) -> None:
        super().__init__()
        for name in ("error", "within", "pixels"):
            self.add_state(name, torch.zeros((), dtype=torch.float64))

    @property
    def specs(self) -> Mapping[str, MetricSpec]:
        return {
            "mae": MetricSpec("Mean error", "m", "Mean distance to the true elevation.", leads=True, in_delta_m=True),
            "within_10m": MetricSpec("Within 10 m", "%", "Pixels with a smaller error.", higher_is_better=True),
        }

    def update(self, prediction: Tensor, value: Tensor, valid: Tensor) -> None:
        error = (prediction - value).abs().double()[:, 0][valid]
        self.error += error.sum()
        self.within += (error < 10).sum()
        self.pixels += error.numel()

    def compute(self) -> dict[str, float]:
        if not self.pixels:
            return {}
        return {
            "mae": (self.error / self.pixels).item(),
            "within_10m": (100 * self.within / self.pixels).item(),
        }


# -- the task ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ElevationTask(Task):
    """The elevation of every pixel. The network's output is in hundreds of meters."""

    name: ClassVar[str] = "elevation"

    loss: Loss = field(default_factory=Relief)
    """How the prediction is compared with the target."""
    source: str | None = None
    """The store's field of elevations; none for the field with the task's name."""

    @property
    def modality(self) -> Elevation:
        return Elevation()

    @property
    def channels(self) -> int:
        return 1

    def compute_loss(self, raw: Tensor, target: Target) -> Any:
        return self.loss.term(raw, Target(target.value / 100, target.valid))

    def decode(self, raw: Tensor) -> Tensor:
        return raw.float() * 100

    def metrics(self) -> TaskMetric:
        return ElevationMetric()


# -- where the data come from ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Terrain(RawData):
    """image/NAME.png and elevation/NAME.npy, (H, W) meters; NaN is unknown. Every fourth image is for validation."""

    name: ClassVar[str] = "terrain"

    size: tuple[int, int] = (48, 64)
    """Height and width of the store's images."""

    def contents(self, raw: Path) -> RawIndex:
        require(raw, ["image", "elevation"], "python examples/own_task.py FOLDER makes some.")
        images, labels = stems(raw / "image"), stems(raw / "elevation")
        samples = [RawSample(name, {"image": images[name], "elevation": labels[name]}) for name in images]
        splits = {"train": [s for i, s in enumerate(samples) if i % 4], "val": samples[::4]}
        return RawIndex(self.size, splits, {"elevation": Elevation()}, {}, partial(read, size=self.size))


def read(raw: RawSample, size: tuple[int, int]) -> Sample:
    """Read one sample: values and masks by field."""
    height, width = size
    image = np.asarray(Image.open(raw.files["image"]).convert("RGB").resize((width, height)))
    elevation = np.load(raw.files["elevation"]).astype(np.float32)
    valid = np.isfinite(elevation)
    values = {"image": image, "elevation": np.where(valid, elevation, 0)}
    return Sample(values, {"elevation": valid}, raw.name)


def experiment() -> Experiment:
    """Predict elevation from a single image."""
    return Experiment(
        network=DeeplabJointConfig(encoder="resnet10t", output_stride=32),
        tasks={"elevation": ElevationTask()},
        data=Packed(Path("stores/terrain")),
        augmentation=Augmentation(flip=True),
        optimizer=AdamWConfig(lr=2e-3),
        epochs=8,
        batch_size=8,
    )


def plain() -> Experiment:
    """The same experiment with a loss of the package."""
    return replace(experiment(), tasks={"elevation": ElevationTask(loss=L1())})


def make(folder: Path, count: int = 120, size: tuple[int, int] = (48, 64), seed: int = 0) -> None:
    """Write raw files: smooth hills colored by height, with lakes of unknown elevation."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: size[0], : size[1]] / size[1]
    for kind in ("image", "elevation"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for index in range(count):
        waves = [
            np.sin(rng.uniform(2, 9) * x + rng.uniform(2, 9) * y + rng.uniform(0, 6)) * rng.uniform(20, 60)
            for _ in range(4)
        ]
        height = (150 + sum(waves, np.zeros(size))).astype(np.float32)
        green = np.array([60, 120, 50]) + (height[..., None] / 400) * np.array([150, 90, 120])
        lake = height < 40
        rgb = np.where(lake[..., None], [40, 70, 160], green) + rng.normal(0, 4, (*size, 3))
        Image.fromarray(rgb.clip(0, 255).astype(np.uint8)).save(folder / "image" / f"{index:03d}.png")
        np.save(folder / "elevation" / f"{index:03d}.npy", np.where(lake, np.nan, height))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("name the folder to write: python own_task.py terrain")
    make(Path(sys.argv[1]))
    print(f"images and elevations are in {sys.argv[1]}")
