"""Checks that the plots and sample images of a result have the form that reports need."""

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from taskscape.modalities import Modality
from taskscape.views import view

_CURVES: dict[str, tuple[str, ...]] = {"histogram": ("true", "predicted"), "error_by_distance": ()}
"""The curves that a plot over distance must have."""

_CONFIDENCE_LISTS: dict[str, tuple[str, ...]] = {
    "reliability": ("probability", "right"),
    "reliability_uncalibrated": ("probability", "right"),
    "sparsification": ("removed", "error", "oracle"),
}
"""The lists of numbers that a plot of confidence must have, all of the same length."""


def check_plots(plots: Mapping[str, Any], tasks: Mapping[str, Modality]) -> None:
    """Raise ``ValueError`` that names a malformed plot, ``task/plot``. Plots with unknown names pass."""
    for name, plot in plots.items():
        task, _, plot_name = name.rpartition("/")
        if plot_name == "confusion":
            _check_confusion(name, plot)
            if task in tasks and (classes := view(tasks[task]).classes) and len(plot) != len(classes):
                raise ValueError(f"plots: {name} has {len(plot)} rows for {len(classes)} classes")
        elif plot_name in _CURVES:
            _check_curves(name, plot, _CURVES[plot_name])
        elif plot_name in _CONFIDENCE_LISTS:
            _check_confidence(name, plot, _CONFIDENCE_LISTS[plot_name])


def check_samples(samples: Mapping[str, npt.NDArray[Any]], tasks: Mapping[str, Modality]) -> None:
    """Raise ``ValueError`` that names a malformed array of sample images."""
    if "image" not in samples:
        return
    image = samples["image"]
    if image.ndim != 4 or image.shape[-1] != 3 or image.dtype != np.uint8 or not image.size:
        raise ValueError(f"image is {image.dtype} {image.shape}, not uint8 (N, H, W, 3)")
    if "name" in samples and samples["name"].shape != image.shape[:1]:
        raise ValueError(f"name has shape {samples['name'].shape} for {len(image)} images")
    for task, modality in tasks.items():
        if f"{task}/prediction" not in samples:
            continue
        for part, shape in (("label", modality.shape), ("prediction", modality.shape), ("valid", ())):
            array = samples.get(f"{task}/{part}")
            if array is None or array.shape != (*image.shape[:3], *shape) or array.dtype.kind not in "buif":
                actual = "missing" if array is None else f"{array.dtype} {array.shape}"
                raise ValueError(f"{task}/{part} is {actual}, which does not fit images of shape {image.shape}")
            if part != "valid" and view(modality).classes and array.dtype != np.uint8:
                raise ValueError(f"{task}/{part} is {array.dtype}, not uint8")
        if samples[f"{task}/valid"].dtype != np.bool_:
            raise ValueError(f"{task}/valid is {samples[f'{task}/valid'].dtype}, not bool")
        _check_network_outputs(samples, task)


def _check_network_outputs(samples: Mapping[str, npt.NDArray[Any]], task: str) -> None:
    """Check the arrays that only some networks produce."""
    name, prediction, images = f"{task}/transferred", samples[f"{task}/prediction"], len(samples["image"])
    array = samples.get(name, prediction)
    if array.shape != prediction.shape or array.dtype != prediction.dtype:
        raise ValueError(f"{name} is {array.dtype} {array.shape}, unlike {task}/prediction")
    confidence = samples.get(f"{task}/confidence")
    if confidence is not None and (confidence.shape != prediction.shape[:3] or confidence.dtype.kind != "f"):
        raise ValueError(f"{task}/confidence is {confidence.dtype} {confidence.shape}, which does not fit the images")
    maps = samples.get(f"{task}/attention")
    if maps is not None and (maps.ndim != 4 or len(maps) != images or maps.dtype != np.uint8 or not maps.size):
        raise ValueError(f"{task}/attention is {maps.dtype} {maps.shape}, not uint8 ({images}, C, h, w)")


def _check_confusion(name: str, plot: Any) -> None:
    is_square = isinstance(plot, list) and all(_are_numbers(row) and len(row) == len(plot) for row in plot)
    if not is_square or any(min(row) < 0 for row in plot):
        raise ValueError(f"plots: {name} is not a square matrix of pixel counts")


def _check_curves(name: str, plot: Any, needed: tuple[str, ...]) -> None:
    if not isinstance(plot, Mapping) or {"edges", *needed} - plot.keys():
        raise ValueError(f"plots: {name} is not a mapping with {', '.join(('edges', *needed))}")
    edges = plot["edges"]
    if not _are_numbers(edges) or any(high <= low for low, high in pairwise(edges)):
        raise ValueError(f"plots: the edges of {name} are not increasing numbers")
    for curve, values in plot.items():
        if curve != "edges" and not (_are_numbers(values) and len(values) == len(edges) - 1):
            raise ValueError(f"plots: {curve} of {name} does not have one number between each two edges")


def _check_confidence(name: str, plot: Any, needed: tuple[str, ...]) -> None:
    if not isinstance(plot, Mapping) or set(needed) - plot.keys():
        raise ValueError(f"plots: {name} is not a mapping with {', '.join(needed)}")
    lists = [plot[part] for part in needed]
    if not all(isinstance(numbers, list) and numbers and len(numbers) == len(lists[0]) for numbers in lists):
        raise ValueError(f"plots: {', '.join(needed)} of {name} are not lists of equal length")
    allows_none = "reliability" in name  # bins without a pixel have no numbers
    if not all(_are_numbers([x for x in numbers if x is not None or not allows_none]) for numbers in lists):
        raise ValueError(f"plots: {name} contains values that are not numbers")


def _are_numbers(values: Any) -> bool:
    return isinstance(values, list) and all(type(v) in (int, float) and math.isfinite(v) for v in values)
