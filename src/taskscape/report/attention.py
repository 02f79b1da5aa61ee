"""What the tokens of classes attend to, laid over a run's sample images."""

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from taskscape.report.html import folded
from taskscape.views import Color, Key, RgbArray, Scale
from taskscape.views.colors import apply_scale, overlay
from taskscape.views.legend import image_tag

HEAT = "inferno"
MOST = 6
"""Classes that are shown of an image: those that cover most of it."""

KEY: Key = (
    "Attention: where the token of a class takes its information from, each on its own scale.",
    Scale(HEAT, [(0.0, "none"), (1.0, "most")]),
)


def attention_strip(
    task: str, image: RgbArray, maps: npt.NDArray[np.uint8], classes: Mapping[str, Color], shown: npt.NDArray[Any]
) -> str:
    """Return a closed part with the maps, (C, h, w), of the classes that an image, (H, W, 3), shows most of.

    ``shown`` are the ids of its pixels, (H, W). Returns nothing where no class is known.
    """
    names = list(classes)[: len(maps)]
    if not names:
        return ""
    counts = np.bincount(shown.reshape(-1), minlength=256)[: len(names)]
    found = [i for i in np.argsort(-counts, kind="stable").tolist() if counts[i]][:MOST]
    pictures = "".join(
        f"<figure>{image_tag(_over(image, maps[i]), f'attention of {names[i]}')}"
        f"<figcaption>{escape(names[i])}</figcaption></figure>"
        for i in found
    )
    return folded(f"Attention, {task}", f'<div class="strip">{pictures}</div>') if pictures else ""


def _over(image: RgbArray, weights: npt.NDArray[np.uint8]) -> RgbArray:
    """Return the weights, (h, w), as heat over a gray image, (H, W, 3)."""
    height, width, _ = image.shape
    smooth = np.asarray(Image.fromarray(weights).resize((width, height), Image.Resampling.BILINEAR), np.float64) / 255
    gray = np.asarray(Image.fromarray(image).convert("L").convert("RGB"))
    return overlay(gray, apply_scale(smooth, np.ones(smooth.shape, np.bool_), HEAT), 0.65)
