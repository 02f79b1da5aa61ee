"""A trained network that takes images and returns arrays."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from taskscape.data.readers.images import ValueRange
from taskscape.evaluation import TestTimeAugmentation
from taskscape.inference.images import AnyImage, as_rgb
from taskscape.inference.prediction import Prediction
from taskscape.runs.trained_model import TrainedModel
from taskscape.views import ConfidenceView, RgbArray, View


@dataclass(frozen=True, repr=False)
class Predictor:
    """A trained network that takes image files and arrays."""

    model: TrainedModel
    views: Mapping[str, View[Any]]
    """By task."""
    height: int | None
    """Images are scaled to this height for the network, and its output back to their size; None leaves them."""
    tta: TestTimeAugmentation | str | bool = field(default=False, kw_only=True)
    """Test-time augmentation; True is the mean of the predictions for the image and for its mirror image."""
    image_range: ValueRange | None = field(default=None, kw_only=True)
    """Black and white in images of more than 8 bits."""
    spreads: Mapping[str, float] = field(default_factory=dict, kw_only=True)
    """Of the tasks whose confidence is predicted too, with their calibration; 1 takes the network at its word."""
    confidence_views: Mapping[str, ConfidenceView] = field(default_factory=dict, kw_only=True)
    """Of these tasks: what the confidence is, how it is shown and written."""

    def __repr__(self) -> str:
        """Return the network in a line, and at which height it takes images."""
        height = "their own height" if self.height is None else f"height {self.height}"
        return f"Predictor({self.model.network!r}, images of {height}, on {self.model.device})"

    def predict(self, image: AnyImage) -> Prediction:
        """Predict an image: a file, an image of Pillow, (H, W, 3) RGB, or a tensor (3, H, W).

        uint8 is 0..255, floating-point numbers are 0..1; gray and transparent images are taken too. Raises
        ``ValueError`` for an image of another form or a file that is not an image, ``FileNotFoundError``.
        """
        prediction = self._prediction(as_rgb(image, self.image_range))
        return replace(prediction, name=Path(image).stem) if isinstance(image, str | os.PathLike) else prediction

    def _prediction(self, rgb: RgbArray) -> Prediction:
        return self.decode(rgb, self.raw_outputs(rgb))

    def raw_outputs(self, rgb: RgbArray) -> dict[str, Tensor]:
        """Return the network's output for an (H, W, 3) image by task, (1, channels, h, w), which ``decode`` takes."""
        image = torch.tensor(rgb, device=self.model.device).permute(2, 0, 1)[None] / 255
        if self.height is not None:
            width = max(round(rgb.shape[1] * self.height / rgb.shape[0]), 1)
            image = F.interpolate(image, (self.height, width), mode="bilinear", antialias=True)
        outputs = self.model.forward_tta(image, self.tta)
        return {name: outputs.final[name].float() for name in self.model.tasks}

    def decode(self, rgb: RgbArray, raw_outputs: Mapping[str, Tensor]) -> Prediction:
        """Return the prediction for an (H, W, 3) image from the network's output for it."""
        size = rgb.shape[:2]
        values, confidence = {}, {}
        for name, task in self.model.tasks.items():
            raw = raw_outputs[name]
            if raw.shape[-2:] != size:
                raw = F.interpolate(raw, size, mode="bilinear")  # before decoding: ids cannot be interpolated
            values[name] = task.modality.to_array(task.decode(raw))[0]
            sure = task.confidence_of(raw, self.spreads[name]) if name in self.spreads else None
            if sure is not None:
                confidence[name] = sure[0].cpu().numpy()
        views = {name: view.fit(view.comparable(values[name])) for name, view in self.views.items()}
        return Prediction(rgb, values, views, confidence=confidence, confidence_views=self.confidence_views)
