"""A trained network that predicts images and returns arrays."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from taskscape.data.readers.images import ValueRange
from taskscape.evaluation import TestTimeAugmentation
from taskscape.evaluation.finite import require_finite
from taskscape.inference.bands import enlarged, rows_of, scaled
from taskscape.inference.images import AnyImage, as_rgb
from taskscape.inference.prediction import Prediction
from taskscape.inference.tiles import Tiles, blended
from taskscape.modalities.base import Array
from taskscape.models.images import unit_range
from taskscape.runs.other_data import scaled_to
from taskscape.runs.trained_model import TrainedModel
from taskscape.serialization import counted
from taskscape.views import ConfidenceView, RgbArray, View


@dataclass(frozen=True, repr=False)
class Predictor:
    """A trained network that predicts image files and arrays."""

    model: TrainedModel
    views: Mapping[str, View[Any]]
    """By task, how its values are shown and written."""
    height: int | None
    """Images are scaled to this height for the network, and its output back to their size; None: no scaling."""
    evaluated: tuple[int, int] = (0, 0)
    """(H, W) of the images that the network was evaluated on."""
    tta: TestTimeAugmentation | str | bool = field(default=False, kw_only=True)
    """Test-time augmentation; True is the mean of the predictions for the image and for its mirror image."""
    image_range: ValueRange | None = field(default=None, kw_only=True)
    """Values of black and white in images of more than 8 bits."""
    spreads: Mapping[str, float] = field(default_factory=dict, kw_only=True)
    """Calibration of each task whose confidence is predicted; 1 leaves the network's confidence as it is."""
    confidence_views: Mapping[str, ConfidenceView] = field(default_factory=dict, kw_only=True)
    """For these tasks, what the confidence means and how it is shown and written."""
    tiles: Tiles | None = field(default=None, kw_only=True)
    """How to divide larger images, with ``size`` set; None computes every image in one piece."""
    batch: int = field(default=1, kw_only=True)
    """Maximum number of tiles, or of images of one size in ``predict.predict``, that are computed together."""

    def __post_init__(self) -> None:
        """Raise ``ValueError`` unless the network has the tasks' channels, each has a view, and a height is above 0."""
        if self.height is not None and self.height < 1:
            raise ValueError(f"height is {self.height}: give at least 1, or None for no scaling")
        channels = self.model.network.out_channels
        for name, task in self.model.tasks.items():
            if channels.get(name) != task.channels:
                raise ValueError(
                    f"the task {name} needs {counted(task.channels, 'channel', 'channels')}, and the network has "
                    f"{channels.get(name, 'none')}: give the tasks that it was built for"
                )
            if name not in self.views:
                raise ValueError(f"views has no {name}: give taskscape.views.view(task.modality) of each task")
        if missing := self.spreads.keys() - self.confidence_views.keys():
            raise ValueError(f"confidence_views has no {min(missing)}: give the view of each task in spreads")

    def __repr__(self) -> str:
        """Return the network in one line, with the height of its images and the device."""
        height = "their own height" if self.height is None else f"height {self.height}"
        return f"Predictor({self.model.network!r}, images of {height}, on {self.model.device})"

    def predict(self, image: AnyImage) -> Prediction:
        """Predict an image: a file, a Pillow image, an (H, W, 3) RGB array, or a (3, H, W) tensor.

        uint8 values are in 0..255, floating-point values in 0..1; gray and transparent images are supported. Of a file
        with several images, such as a TIFF with pages, the first one is predicted.

        Raises ``ValueError`` for other types and shapes, for a file that is not an image, and if the network outputs
        NaN or infinity; ``FileNotFoundError`` for a missing file.
        """
        prediction = self.predict_together([as_rgb(image, self.image_range)])[0]
        if not isinstance(image, str | os.PathLike):
            return prediction
        return replace(prediction, name=Path(image).stem, file=Path(image))

    def predict_together(self, images: Sequence[RgbArray]) -> list[Prediction]:
        """Predict (H, W, 3) uint8 RGB images of one size in one batch; equal to ``predict`` up to rounding."""
        size = images[0].shape[:2]
        if self.tiles is not None and (not self.in_one_tile(size) or self._anchored(self.network_size(size))):
            return [self._in_tiles(rgb) for rgb in images]
        raws = self.raw_outputs(np.stack(images) if len(images) > 1 else images[0][None])
        return [self.decode(rgb, {name: raw[i : i + 1] for name, raw in raws.items()}) for i, rgb in enumerate(images)]

    def network_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the (H, W) to which an image of this (H, W) is scaled for the network."""
        return scaled_to(size, self.height)

    def in_one_tile(self, size: tuple[int, int]) -> bool:
        """Return whether an image of this (H, W) is computed in one piece."""
        sides = None if self.tiles is None else self.tiles.size
        return sides is None or all(n <= side for n, side in zip(self.network_size(size), sides, strict=True))

    def raw_outputs(self, rgb: RgbArray) -> dict[str, Tensor]:
        """Return the network's raw outputs for an (H, W, 3) image, (1, channels, h, w) by task, as input of ``decode``.

        For (B, H, W, 3) images they are (B, channels, h, w). ``tiles`` is ignored.
        """
        images = torch.tensor(rgb if rgb.ndim == 4 else rgb[None], device=self.model.device)
        return self._forward(scaled(images, self.network_size((images.shape[1], images.shape[2]))))

    def decode(self, rgb: RgbArray, raw_outputs: Mapping[str, Tensor]) -> Prediction:
        """Return the prediction for an (H, W, 3) image from its raw outputs."""
        # Resize before decoding, because class ids cannot be interpolated.
        return self._prediction(rgb, enlarged(raw_outputs, rgb.shape[:2]))

    def _forward(self, image: Tensor) -> dict[str, Tensor]:
        final = self.model.forward_tta(image, self.tta).final
        raws = {name: final[name].float() for name in self.model.tasks}
        require_finite(raws)
        return raws

    def _in_tiles(self, rgb: RgbArray) -> Prediction:
        assert self.tiles is not None and self.tiles.size is not None
        size = self.network_size(rgb.shape[:2])
        resized = None if size == rgb.shape[:2] else scaled(torch.tensor(rgb)[None], size)
        anchors = self._anchors(rgb, size)

        def tile(rows: slice, columns: slice) -> Tensor:
            if resized is not None:
                return resized[:, :, rows, columns]
            return unit_range(torch.tensor(rgb[rows, columns], device=self.model.device).movedim(-1, 0)[None])

        def forward(windows: list[tuple[slice, slice]]) -> dict[str, Tensor]:
            raws = self._forward(torch.cat([tile(*window) for window in windows]))
            for name, anchor in anchors.items():
                anchor_rows = rows_of(anchor, size, windows[0][0])  # all tiles of one call are in the same row
                anchor_tiles = torch.cat([anchor_rows[..., columns] for _, columns in windows])
                raws[name] = self.model.tasks[name].match_scale(raws[name], anchor_tiles)
            return raws

        bands = blended(forward, size, self.tiles, self.batch)
        if resized is None:
            return self._prediction(rgb, bands)
        raw_bands = [raws for _, raws in bands]
        return self.decode(rgb, {name: torch.cat([raws[name] for raws in raw_bands], 2) for name in self.model.tasks})

    def _anchored(self, size: tuple[int, int]) -> list[str]:
        """Return the tasks whose tiles of a scaled image of this (H, W) are matched to the whole image."""
        if self.tiles is None or not self.tiles.anchor or self.evaluated[0] in (0, size[0]):
            return []
        return [name for name, task in self.model.tasks.items() if task.depends_on_size]

    def _anchors(self, rgb: RgbArray, size: tuple[int, int]) -> dict[str, Tensor]:
        """Return the raw outputs for the image at the height of evaluation, by task, for those that need them."""
        names = self._anchored(size)
        if not names:
            return {}
        raws = replace(self, height=self.evaluated[0], tiles=None).raw_outputs(rgb)
        return {name: raws[name] for name in names}

    def _prediction(self, rgb: RgbArray, bands: Iterable[tuple[slice, Mapping[str, Tensor]]]) -> Prediction:
        """Return the prediction for an image from bands of rows of raw outputs at its size."""
        arrays: dict[str, Array] = {}
        confidence: dict[str, Array] = {}
        for rows, raws in bands:
            for name, task in self.model.tasks.items():
                _put(arrays, name, task.modality.to_array(task.decode(raws[name]))[0], rows, len(rgb))
                task_confidence = task.confidence_of(raws[name], self.spreads[name]) if name in self.spreads else None
                if task_confidence is not None:
                    _put(confidence, name, task_confidence[0].cpu().numpy(), rows, len(rgb))
        views = {name: view.fit(view.comparable(arrays[name])) for name, view in self.views.items()}
        return Prediction(rgb, arrays, views, confidence=confidence, confidence_views=self.confidence_views)


def _put(arrays: dict[str, Array], name: str, band: Array, rows: slice, height: int) -> None:
    """Write a band of rows into the array of this name, which is created for the first band."""
    if len(band) == height:
        arrays[name] = band
        return
    if name not in arrays:
        arrays[name] = np.empty((height, *band.shape[1:]), band.dtype)
    arrays[name][rows] = band
