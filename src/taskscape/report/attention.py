"""Attention maps of class tokens, laid over a run's sample images."""

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
MAX_CLASSES = 6
"""Maximum number of classes shown per image: those that cover most of it."""

KEY: Key = (
    "Attention: where each class token takes its information from; every map has its own scale.",
    Scale(HEAT, [(0.0, "none"), (1.0, "most")]),
)


def attention_strip(
    task: str, image: RgbArray, maps: npt.NDArray[np.uint8], classes: Mapping[str, Color], shown: npt.NDArray[Any]
) -> str:
    """Return a collapsed section with the attention maps of the classes that cover most of an image.

    ``image`` has shape (H, W, 3), ``maps`` (C, h, w), and ``shown`` (H, W): the class ids of the pixels. Returns an
    empty string if no class is known.
    """
    names = list(classes)[: len(maps)]
    if not names:
        return ""
    counts = np.bincount(shown.reshape(-1), minlength=256)[: len(names)]
    class_ids = [i for i in np.argsort(-counts, kind="stable").tolist() if counts[i]][:MAX_CLASSES]
    pictures = "".join(
        f"<figure>{image_tag(_over(image, maps[i]), f'attention of {names[i]}')}"
        f"<figcaption>{escape(names[i])}</figcaption></figure>"
        for i in class_ids
    )
    return folded(f"Attention, {task}", f'<div class="strip">{pictures}</div>') if pictures else ""


def _over(image: RgbArray, weights: npt.NDArray[np.uint8]) -> RgbArray:
    """Return the attention weights, (h, w), as a heat map over the image, (H, W, 3), in gray."""
    height, width, _ = image.shape
    smooth = np.asarray(Image.fromarray(weights).resize((width, height), Image.Resampling.BILINEAR), np.float64) / 255
    gray = np.asarray(Image.fromarray(image).convert("L").convert("RGB"))
    return overlay(gray, apply_scale(smooth, None, HEAT), 0.65)
