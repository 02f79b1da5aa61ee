"""Draw the pictures of a frame for the videos: one per task, and all side by side."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from PIL import Image

from taskscape.inference.prediction import Prediction
from taskscape.inference.predictor import Predictor
from taskscape.serialization import nearest
from taskscape.views import RgbArray
from taskscape.views.drawing import GAP, LEAST_WIDTH, captioned, enlarged, in_a_row, stacked, text
from taskscape.views.key import Key

SIDE_BY_SIDE = "side-by-side"
"""Name of the video with the image and all predictions."""
PANEL = 960
"""Maximum width of one picture in it, in pixels; narrow ones are enlarged so that their keys are readable."""


def videos_of(predictor: Predictor, chosen: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the names of the chosen videos, by default all. Raises ``ValueError`` for unknown names."""
    available = (*predictor.views, *(f"{task}.confidence" for task in predictor.confidence_views), SIDE_BY_SIDE)
    for name in chosen:
        if name not in available:
            raise ValueError(f"there is no video {name!r}{nearest(name, available)}")
    return tuple(name for name in available if name in chosen) if chosen else available


class Sheet:
    """Pictures of one size in two columns, with titles and color keys that are drawn only once."""

    def __init__(self, keys: Mapping[str, tuple[str, Key]], size: tuple[int, int]) -> None:
        """Lay out pictures of (H, W) pixels; ``keys`` has the title and the color key of each by name."""
        height, width = size
        self._panel_size = (PANEL, max(round(height * PANEL / width), 1)) if width > PANEL else None
        blank = self._panel(np.zeros((height, width, 3), np.uint8))
        panels = [captioned(blank, title, key) for title, key in keys.values()]
        rows = [panels[i : i + 2] for i in range(0, len(panels), 2)]
        self._blank_sheet = stacked([in_a_row(row) for row in rows])
        self._positions: dict[str, tuple[int, int]] = {}
        top = 0
        for number, (name, (title, _)) in enumerate(keys.items()):
            row, column = divmod(number, 2)
            left = column * (rows[row][0].shape[1] + GAP)
            self._positions[name] = top + text(title, blank.shape[1]).shape[0], left
            top += max(panel.shape[0] for panel in rows[row]) if number == len(keys) - 1 or column else 0

    def filled(self, pictures: Mapping[str, RgbArray]) -> RgbArray:
        """Return the sheet filled with (H, W, 3) pictures, given by name."""
        sheet = self._blank_sheet.copy()
        for name, (top, left) in self._positions.items():
            panel = self._panel(pictures[name])
            sheet[top : top + panel.shape[0], left : left + panel.shape[1]] = panel
        return sheet

    def _panel(self, picture: RgbArray) -> RgbArray:
        if self._panel_size is not None:
            return np.asarray(Image.fromarray(picture).resize(self._panel_size, Image.Resampling.BILINEAR))
        return enlarged(picture, LEAST_WIDTH)


def drawing(
    predictor: Predictor, names: Sequence[str], size: tuple[int, int]
) -> Callable[[Prediction], dict[str, RgbArray]]:
    """Return a function that draws the video frames, by video name, from the prediction for an (H, W) frame.

    All frames have the color scales of the predictor's views.
    """
    keys: dict[str, tuple[str, Key]] = {"image": ("image", ())}
    for task, view in predictor.views.items():
        title = view.modality.display_name(task)
        keys[task] = title, view.preview_key()
        if task in predictor.confidence_views:
            keys[f"{task}.confidence"] = f"{title}, confidence", predictor.confidence_views[task].key()
    sheet = Sheet(keys, size) if SIDE_BY_SIDE in names else None
    needed = [name for name in keys if name in names or sheet is not None]

    def picture(prediction: Prediction, name: str) -> RgbArray:
        if name == "image":
            return prediction.image
        if name in predictor.views:
            return predictor.views[name].preview(prediction.image, prediction[name])
        task = name.removesuffix(".confidence")
        return predictor.confidence_views[task].colorize(prediction.confidence[task])

    def draw(prediction: Prediction) -> dict[str, RgbArray]:
        pictures = {name: picture(prediction, name) for name in needed}
        if sheet is not None:
            pictures[SIDE_BY_SIDE] = sheet.filled(pictures)
        return {name: pictures[name] for name in names}

    return draw
