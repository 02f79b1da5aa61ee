"""The sample images of a run: label, prediction and difference of every task."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

from taskscape.views import pictures
from taskscape.report.html import picture, scale, swatches
from taskscape.views.pictures import Rgb
from taskscape.run_folder.result import TaskInfo

Samples = dict[str, npt.NDArray[Any]]
"""The arrays of ``samples.npz``."""

LARGEST_WIDTH = 512
"""Wider images are thinned out, so that the page stays small."""


@dataclass(frozen=True)
class Painted:
    """One task on all samples."""

    task: str
    label: Rgb
    prediction: Rgb
    difference: Rgb
    """(N, H, W, 3) each."""
    scores: list[str]
    """How good the prediction is on each image, in words; empty where an image has no label."""
    legend: str
    """HTML: what the colours mean."""


def thin(samples: Samples) -> Samples:
    """Leave out rows and columns of images wider than ``LARGEST_WIDTH``, and number images without names."""
    if "image" not in samples:
        return {}
    step = -(-samples["image"].shape[2] // LARGEST_WIDTH)
    thinned = {key: value if key == "name" else value[:, ::step, ::step] for key, value in samples.items()}
    return {"name": np.array([f"image {i + 1}" for i in range(len(samples["image"]))]), **thinned}


def paint(task: TaskInfo, samples: Samples) -> Painted | None:
    """Paint a task, or return none where the samples do not have it."""
    if f"{task.name}/prediction" not in samples:
        return None
    label, valid, prediction = (samples[f"{task.name}/{part}"] for part in ("label", "valid", "prediction"))
    match task.kind:
        case "classes":
            return _classes(task, label, valid, prediction)
        case "depth":
            return _depth(task, label, valid, prediction)
        case "directions":
            return _directions(task, label, valid, prediction)


def _classes(task: TaskInfo, label: pictures.Ids, valid: pictures.Mask, prediction: pictures.Ids) -> Painted:
    seen = np.union1d(label[valid], prediction)
    names = [(name, color) for i, (name, color) in enumerate(zip(task.classes, task.palette, strict=True)) if i in seen]
    return Painted(
        task.name,
        pictures.paint_classes(label, task.palette, valid),
        pictures.paint_classes(prediction, task.palette),
        pictures.difference_classes(label, prediction, valid, task.palette),
        _scores(100.0 * (label == prediction), valid, "{:.1f} % right"),
        "<p>Difference: wrong pixels in the colour of the class that was predicted.</p>"
        + swatches([*names, ("right", pictures.NEUTRAL), ("no label", pictures.INVALID)]),
    )


def _depth(task: TaskInfo, label: pictures.Floats, valid: pictures.Mask, prediction: pictures.Floats) -> Painted:
    valid = pictures.measurable(label, valid)
    if not task.scale_known:
        prediction = _median_scaled(prediction, label, valid)
    near, far = pictures.depth_range(label, valid)  # one scale for all images, so that they can be compared
    unit = "m" if task.scale_known else "of the median"
    ticks = [m for m in (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500) if near <= m <= far]
    relative = np.abs(prediction - label) / np.where(valid, label, 1.0)
    return Painted(
        task.name,
        pictures.paint_depth(label, valid, near, far),
        pictures.paint_depth(prediction, None, near, far),
        pictures.difference_depth(label, prediction, valid),
        _scores(100.0 * relative, valid, "{:.1f} % off"),
        scale(pictures.DEPTH_MAP, [(float(np.log(m / near) / np.log(far / near)), f"{m:g} {unit}") for m in ticks])
        + "<p>Difference, relative to the true depth: red is predicted too near, blue too far.</p>"
        + scale(
            pictures.DEPTH_DIFFERENCE_MAP,
            [(0.0, "−50 %"), (0.25, "−25 %"), (0.5, "0"), (0.75, "+25 %"), (1.0, "+50 %")],
        ),
    )


def _median_scaled(prediction: pictures.Floats, label: pictures.Floats, valid: pictures.Mask) -> pictures.Floats:
    """Put right the scale of every image that has a label, as the metrics named scaled do."""
    factors = [
        np.median(y[v]) / np.median(p[v]) if v.any() else 1.0 for p, y, v in zip(prediction, label, valid, strict=True)
    ]
    return prediction * np.array(factors, prediction.dtype)[:, None, None]


def _directions(task: TaskInfo, label: pictures.Floats, valid: pictures.Mask, prediction: pictures.Floats) -> Painted:
    return Painted(
        task.name,
        pictures.paint_directions(label, valid),
        pictures.paint_directions(prediction),
        pictures.difference_directions(label, prediction, valid),
        _scores(pictures.angles(label, prediction), valid, "{:.1f}° off"),
        f'<div class="sphere">{picture(_sphere(), "directions of a ball")}'
        "<p>As on this ball: green faces up, blue the camera, red the right.</p></div>"
        "<p>Difference: angle between the two directions.</p>"
        + scale(pictures.ANGLE_MAP, [(d / 60, f"{d}°") for d in (0, 15, 30, 45, 60)]),
    )


def _scores(error: pictures.Floats, valid: pictures.Mask, words: str) -> list[str]:
    return [words.format(e[v].mean()) if v.any() else "" for e, v in zip(error, valid, strict=True)]


def _sphere(side: int = 96) -> Rgb:
    """Return the colours of the directions of a ball, as the camera sees it."""
    y, x = (np.mgrid[:side, :side] + 0.5) / side * 2 - 1
    inside = x**2 + y**2 < 1
    ball = pictures.paint_directions(np.stack([x, y, -np.sqrt(np.where(inside, 1 - x**2 - y**2, 0.0))], -1), inside)
    ball[~inside] = 255
    return ball


def hero(samples: Samples, painted: Sequence[Painted]) -> str:
    """Return the first image and everything that was predicted from it."""
    shown = [("image", samples["image"][0]), *((p.task, p.prediction[0]) for p in painted)]
    figures = "".join(_figure(rgb, name, name) for name, rgb in shown)
    return f'<div class="hero" style="--columns:{len(shown)}">{figures}</div>'


def gallery(samples: Samples, painted: Sequence[Painted]) -> str:
    """Return how to read the colours, and every image with label, prediction and difference of each task."""
    legends = "".join(f"<div><h3>{escape(p.task)}</h3>{p.legend}</div>" for p in painted)
    blocks = "".join(_block(samples, painted, i) for i in range(len(samples["image"])))
    return f'<div class="legends">{legends}</div>{blocks}'


def _block(samples: Samples, painted: Sequence[Painted], i: int) -> str:
    name = str(samples["name"][i])
    scores = "".join(f"<dt>{escape(p.task)}</dt><dd>{escape(p.scores[i] or 'no label')}</dd>" for p in painted)
    rows = "".join(
        '<div class="triple">'
        + _figure(p.label[i], f"{p.task} · label", f"{name}: {p.task}, label")
        + _figure(p.prediction[i], "prediction", f"{name}: {p.task}, prediction")
        + _figure(p.difference[i], "difference", f"{name}: {p.task}, difference")
        + "</div>"
        for p in painted
    )
    return (
        f'<article class="sample"><div class="seen">{picture(samples["image"][i], name)}'
        f"<h3>{escape(name)}</h3><dl>{scores}</dl></div><div>{rows}</div></article>"
    )


def _figure(rgb: Rgb, caption: str, alt: str) -> str:
    return f"<figure>{picture(rgb, alt)}<figcaption>{escape(caption)}</figcaption></figure>"
