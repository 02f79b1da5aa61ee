"""The sample images of a run, with label, prediction and difference for each task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from taskscape.modalities import Modality
from taskscape.report.attention import KEY, attention_strip
from taskscape.report.words import heading, task_word
from taskscape.run_folder.samples import Samples
from taskscape.views import ConfidenceView, Example, Key, RgbArray, Scale, Swatches, view
from taskscape.views.legend import as_html, image_tag

LARGEST_WIDTH = 512
"""Wider images are subsampled to keep the page small."""

_CONFIDENCE_VIEW = ConfidenceView("how sure the network is", calibrated=True)


@dataclass(frozen=True)
class TaskSamples:
    """One task on all sample images."""

    task: str
    """What the task is called in texts."""
    label: RgbArray
    prediction: RgbArray
    difference: RgbArray
    over: RgbArray
    """The prediction laid over the image. Shape (N, H, W, 3), as the other RGB arrays."""
    transferred: RgbArray | None
    """The prediction of another task transferred to this one; None if the network does not transfer predictions."""
    attention: list[str]
    """HTML per image with the attention maps of class tokens; empty strings if the network has none."""
    confidence: RgbArray | None
    """The confidence of the network, if it was measured."""
    scores: list[str]
    """A caption with each image's score; empty for images without labels."""
    legend: str
    """HTML that explains the colors."""
    key: Key
    """Color key of label and prediction."""
    difference_key: Key
    """Color key of the difference."""


def subsample(samples: Samples) -> Samples:
    """Skip rows and columns of images wider than ``LARGEST_WIDTH``, and number images without names."""
    if "image" not in samples:
        return {}
    step = -(-samples["image"].shape[2] // LARGEST_WIDTH)
    smaller = {
        key: value if key == "name" or key.endswith("/attention") else value[:, ::step, ::step]
        for key, value in samples.items()
    }
    return {"name": np.array([f"image {i + 1}" for i in range(len(samples["image"]))]), **smaller}


def colorize(tasks: Mapping[str, Modality], samples: Samples) -> list[TaskSamples]:
    """Return the colorized samples of each task that has any. Raises ``ValueError`` for a modality without a view."""
    return [_colorize(name, modality, samples) for name, modality in tasks.items() if f"{name}/prediction" in samples]


def _colorize(task: str, modality: Modality, samples: Samples) -> TaskSamples:
    label, valid, prediction = (samples[f"{task}/{part}"] for part in ("label", "valid", "prediction"))
    task_view = view(modality).fit(label, valid)  # one scale for all images, so that they can be compared
    prediction = task_view.align(prediction, label, valid)
    word, maps = task_word(task, {task: modality}), samples.get(f"{task}/attention", ())
    attention = [
        attention_strip(word, image, image_maps, task_view.classes, ids)
        for image, image_maps, ids in zip(samples["image"], maps, prediction, strict=False)
    ]
    transferred = samples.get(f"{task}/transferred")
    confidence = samples.get(f"{task}/confidence")
    return TaskSamples(
        task=word,
        label=task_view.colorize(label, valid),
        prediction=task_view.colorize(prediction),
        difference=task_view.difference(label, prediction, valid),
        over=task_view.over(samples["image"], prediction),
        transferred=None if transferred is None else task_view.colorize(task_view.align(transferred, label, valid)),
        attention=attention or [""] * len(label),
        confidence=None if confidence is None else _CONFIDENCE_VIEW.colorize(confidence),
        scores=task_view.scores(label, prediction, valid),
        legend=task_view.legend(label, prediction, valid) + (as_html(KEY) if any(attention) else ""),
        key=task_view.key(),
        difference_key=task_view.difference_key(),
    )


def hero(samples: Samples, tasks: Sequence[TaskSamples]) -> str:
    """Return the first image and all of its predictions."""
    images = [figure(samples["image"][0], "image", "image")]
    images += [figure(t.prediction[0], t.task, t.task, as_html(t.key)) for t in tasks]
    return f'<div class="hero" style="--columns:{len(images)}">{"".join(images)}</div>'


def gallery(samples: Samples, tasks: Sequence[TaskSamples]) -> str:
    """Return the color legends, and each image with label, prediction and difference for every task."""
    legends = "".join(f"<div><h3>{escape(heading(t.task))}</h3>{t.legend}</div>" for t in tasks)
    blocks = "".join(_block(samples, tasks, i) for i in range(len(samples["image"])))
    return f'<div class="legends">{legends}</div>{blocks}'


def _block(samples: Samples, tasks: Sequence[TaskSamples], i: int) -> str:
    name = str(samples["name"][i])
    scores = "".join(f"<dt>{escape(t.task)}</dt><dd>{escape(t.scores[i] or 'no label')}</dd>" for t in tasks)

    def picture(rgb: RgbArray, caption: str, alt: str, key: str = "") -> str:
        return figure(rgb[i], caption, f"{name}: {alt}", key)

    rows = ""
    for t in tasks:
        rows += _row(
            picture(t.label, f"{t.task} · label", f"{t.task}, label"),
            picture(t.prediction, "prediction", f"{t.task}, prediction"),
            picture(t.difference, "difference", f"{t.task}, difference"),
        )
        rows += _keys(t, i)
    confidence_key = as_html(_CONFIDENCE_VIEW.key())
    confidences = [(t.confidence, f"{t.task}, confidence") for t in tasks if t.confidence is not None]
    rows += _row(*(picture(rgb, text, text, confidence_key) for rgb, text in confidences))
    rows += _row(*(picture(t.over, f"{t.task}, over the image", f"{t.task}, over the image") for t in tasks))
    transferred = [(t.transferred, f"{t.task}, transferred") for t in tasks if t.transferred is not None]
    rows += _row(*(picture(rgb, text, f"{text} from another task") for rgb, text in transferred))
    rows += "".join(t.attention[i] for t in tasks)
    return (
        f'<article class="sample"><div class="photo">{image_tag(samples["image"][i], name)}'
        f"<h3>{escape(name)}</h3><dl>{scores}</dl></div><div>{rows}</div></article>"
    )


def _row(*figures: str) -> str:
    return f'<div class="triple">{"".join(figures)}</div>' if figures else ""


def _keys(task: TaskSamples, i: int) -> str:
    """Return scales and swatches of the classes that occur, shown below an image's label, prediction and difference."""
    value_key = as_html(
        _occurring([p for p in task.key if not isinstance(p, Example)], task.label[i], task.prediction[i])
    )
    colors = [part for part in task.difference_key if isinstance(part, Scale | Swatches)]
    difference_key = as_html(_occurring(colors, task.difference[i]))
    return (
        f'<div class="triple keys"><div>{value_key}</div><div>{difference_key}</div></div>'
        if value_key or difference_key
        else ""
    )


def _occurring(key: Key, *pictures: RgbArray) -> Key:
    """Return the key with only the swatches whose color occurs in the pictures."""
    used = set().union(*(map(tuple, np.unique(picture.reshape(-1, 3), axis=0).tolist()) for picture in pictures))
    return [
        Swatches([item for item in part.items if item[1] in used]) if isinstance(part, Swatches) else part
        for part in key
    ]


def figure(rgb: RgbArray, caption: str, alt: str, key: str = "") -> str:
    """Return a picture with a caption, and HTML that explains its colors."""
    return f"<figure>{image_tag(rgb, alt)}<figcaption>{escape(caption)}</figcaption>{key}</figure>"
