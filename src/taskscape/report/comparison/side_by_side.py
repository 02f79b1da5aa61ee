"""Predictions of several networks for the same images, side by side."""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from taskscape.modalities import Modality
from taskscape.report.groups import Group
from taskscape.report.samples import Samples, subsample
from taskscape.report.words import heading, task_word
from taskscape.views import RgbArray, view
from taskscape.views.legend import as_html, image_tag

MOST_IMAGES = 4
"""Maximum number of images of a comparison, to keep the page small."""


def side_by_side(groups: Sequence[Group]) -> str:
    """Return images with the label and the prediction of the first run of each group.

    A group is included if its samples are the same images as those of the first group that has any. Returns an empty
    string if fewer than two groups are.
    """
    loaded = {g.name: subsample(g.runs[0].samples()) for g in groups}
    first = next((samples for samples in loaded.values() if samples), None)
    if first is None:
        return ""
    alike = {name: samples for name, samples in loaded.items() if samples and _same_images(first, samples)}
    if len(alike) < 2:
        return ""
    tasks: dict[str, Modality] = {}
    for g in groups:
        if g.name in alike:
            tasks |= {name: modality for name, modality in g.tasks.items() if name not in tasks}
    blocks = [_Block(task, modality, alike) for task, modality in tasks.items()]
    legends = "".join(f"<div><h3>{escape(heading(b.word))}</h3>{b.legend}</div>" for b in blocks if b.pictures)
    return f'<div class="legends">{legends}</div>' + "".join(
        f'<article><h3>{escape(str(first["name"][i]))}</h3><div class="strip">'
        f"{_figure(first['image'][i], 'image', str(first['name'][i]))}</div>"
        + "".join(block.strip(i) for block in blocks)
        + "</article>"
        for i in range(min(MOST_IMAGES, len(first["image"])))
    )


def _same_images(one: Samples, other: Samples) -> bool:
    return one["image"].shape == other["image"].shape and bool(np.array_equal(one["image"], other["image"]))


class _Block:
    """One task: its label and the predictions of all groups that have it, on the color scale of the label."""

    def __init__(self, task: str, modality: Modality, samples: Mapping[str, Samples]) -> None:
        have = {name: s for name, s in samples.items() if f"{task}/prediction" in s}
        any_of_them = next(iter(have.values()), {})
        self.word = task_word(task, {task: modality})
        self.pictures: dict[str, RgbArray] = {}
        self.legend = ""
        if any_of_them:
            label, valid = any_of_them[f"{task}/label"], any_of_them[f"{task}/valid"]
            shown = view(modality).fit(label, valid)
            self.legend = as_html(shown.key())
            self.pictures["label"] = shown.colorize(label, valid)
            for name, s in have.items():
                prediction = s[f"{task}/prediction"]
                if prediction.shape == label.shape:
                    self.pictures[name] = shown.colorize(shown.align(prediction, label, valid))

    def strip(self, i: int) -> str:
        """Return the pictures of image i."""
        figures = "".join(
            _figure(rgb[i], f"{heading(self.word)}, {name}" if name == "label" else name, f"{self.word}, {name}")
            for name, rgb in self.pictures.items()
        )
        return f'<div class="strip">{figures}</div>' if figures else ""


def _figure(rgb: RgbArray, caption: str, alt: str) -> str:
    return f"<figure>{image_tag(rgb, alt)}<figcaption>{escape(caption)}</figcaption></figure>"
