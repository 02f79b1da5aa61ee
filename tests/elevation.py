"""Example of a user's file: a modality, its view, and a task for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from PIL import Image
from torch import Tensor

from taskscape.batch import Target
from taskscape.losses import L1, Loss
from taskscape.metrics.base import TaskMetric
from taskscape.modalities import Modality
from taskscape.tasks import Task
from taskscape.views import RgbArray, View, offer_view


@dataclass(frozen=True)
class Elevation(Modality):
    """Meters above sea level, (H, W)."""

    name: ClassVar[str] = "elevation"
    dtype: ClassVar[str] = "int16"
    sentinel: ClassVar[int | None] = -32768

    @property
    def unit(self) -> str:
        return "meter"

    def check(self, values: np.ndarray) -> None:
        if not (np.abs(values) < 9000).all():
            raise ValueError("an elevation is beyond 9000 m")

    def unpack(self, stored: Tensor) -> Target:
        return Target(stored.unsqueeze(1).float(), stored != self.sentinel)


@dataclass(frozen=True)
class ElevationView(View[Elevation]):
    """Gray by height; the file is a TIFF of floating-point numbers."""

    extension: ClassVar[str] = "tif"

    top: float = 1000.0
    """Elevation in meters that is shown in white."""

    @property
    def axis(self) -> str:
        return "meters above the sea"

    def colorize(self, values: np.ndarray, valid: np.ndarray | None = None) -> RgbArray:
        gray = (values / self.top * 255).clip(0, 255).astype(np.uint8)
        return np.repeat(gray[..., None], 3, -1)

    def difference(self, label: np.ndarray, prediction: np.ndarray, valid: np.ndarray) -> RgbArray:
        return self.colorize(np.abs(label - prediction), valid)

    def scores(self, label: np.ndarray, prediction: np.ndarray, valid: np.ndarray) -> list[str]:
        return ["a mountain"] * len(label)

    def legend(self, label: np.ndarray, prediction: np.ndarray, valid: np.ndarray) -> str:
        return f"<p>White is {self.top:g} m above the sea.</p>"

    def encode(self, values: np.ndarray) -> Image.Image:
        return Image.fromarray(values.astype(np.float32))

    def metadata(self) -> Mapping[str, Any]:
        return {"type": self.modality.name, "unit": "meter"}


offer_view(Elevation, ElevationView)


@dataclass(frozen=True)
class PredictElevation(Task):
    """Elevation in meters."""

    name: ClassVar[str] = "elevation"

    loss: Loss = field(default_factory=L1)
    source: str | None = None

    @property
    def modality(self) -> Elevation:
        return Elevation()

    @property
    def channels(self) -> int:
        return 1

    def decode(self, raw: Tensor) -> Tensor:
        return raw

    def metrics(self) -> TaskMetric:
        raise NotImplementedError
