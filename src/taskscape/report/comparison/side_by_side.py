"""Predictions of several networks for the same images, side by side."""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from taskscape.modalities import Modality
from taskscape.report.gallery import figure, subsample
from taskscape.report.groups import Group
from taskscape.report.words import heading, task_word
from taskscape.run_folder.samples import Samples
from taskscape.views import RgbArray, view
from taskscape.views.legend import as_html

MOST_IMAGES = 4
"""Maximum number of images of a comparison, to keep the page small."""


def side_by_side(groups: Sequence[Group]) -> str:
    """Return images with the label and the prediction of the first run of each group.

    A group is included if its samples are the same images as those of the first group that has any. Returns an empty
    string if fewer than two groups are.
    """
    loaded = {g.name: subsample(g.runs[0].samples()) for g in groups}
    first_samples = next((samples for samples in loaded.values() if samples), None)
    if first_samples is None:
        return ""
    matching = {name: samples for name, samples in loaded.items() if samples and _same_images(first_samples, samples)}
    if len(matching) < 2:
        return ""
    tasks: dict[str, Modality] = {}
    for g in groups:
        if g.name in matching:
            tasks |= {name: modality for name, modality in g.tasks.items() if name not in tasks}
    blocks = [_Block(task, modality, matching) for task, modality in tasks.items()]
    legends = "".join(f"<div><h3>{escape(heading(b.word))}</h3>{b.legend}</div>" for b in blocks if b.pictures)
    return f'<div class="legends">{legends}</div>' + "".join(
        f'<article><h3>{escape(str(first_samples["name"][i]))}</h3><div class="strip">'
        f"{figure(first_samples['image'][i], 'image', str(first_samples['name'][i]))}</div>"
        + "".join(block.strip(i) for block in blocks)
        + "</article>"
        for i in range(min(MOST_IMAGES, len(first_samples["image"])))
    )


def _same_images(a: Samples, b: Samples) -> bool:
    return a["image"].shape == b["image"].shape and bool(np.array_equal(a["image"], b["image"]))


class _Block:
    """One task: its label and the predictions of all groups that have it, on the color scale of the label."""

    def __init__(self, task: str, modality: Modality, samples: Mapping[str, Samples]) -> None:
        with_task = {name: s for name, s in samples.items() if f"{task}/prediction" in s}
        reference = next(iter(with_task.values()), {})
        self.word = task_word(task, {task: modality})
        self.pictures: dict[str, RgbArray] = {}
        self.legend = ""
        if reference:
            label, valid = reference[f"{task}/label"], reference[f"{task}/valid"]
            task_view = view(modality).fit(label, valid)
            self.legend = as_html(task_view.key())
            self.pictures["label"] = task_view.colorize(label, valid)
            for name, s in with_task.items():
                prediction = s[f"{task}/prediction"]
                if prediction.shape == label.shape:
                    self.pictures[name] = task_view.colorize(task_view.align(prediction, label, valid))

    def strip(self, i: int) -> str:
        """Return the pictures of image i."""
        figures = "".join(
            figure(rgb[i], f"{heading(self.word)}, {name}" if name == "label" else name, f"{self.word}, {name}")
            for name, rgb in self.pictures.items()
        )
        return f'<div class="strip">{figures}</div>' if figures else ""
