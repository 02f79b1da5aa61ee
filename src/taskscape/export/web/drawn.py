"""Describe a network for the page, as ``About`` in ``web/src/model/about.ts``."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from taskscape.data.cameras import focal_length
from taskscape.export.formats import Job, confidence_name
from taskscape.released import find, names
from taskscape.released.listing import listing
from taskscape.report.words import heading, task_word
from taskscape.tasks import Task
from taskscape.views import ConfidenceView, Example, Key, Scale, View, view
from taskscape.views.colors import INVALID

_PERCENT = "%"
"""Unit of values in 0..1."""
_UNITS = {"meter": "m", "median of the image": "medians", "probability": _PERCENT}
"""Units as shown after a number; others are not shown."""


def about(job: Job) -> dict[str, Any]:
    """Return the description."""
    modalities = {task_name: task.modality for task_name, task in job.tasks.items()}
    titles = {task_name: heading(task_word(task_name, modalities)) for task_name in job.tasks}
    confidences = {task_name: job.about["outputs"][confidence_name(task_name)] for task_name in job.spreads}
    return {
        "name": _name(job),
        "text": _text(job),
        "invalid": list(INVALID),
        "height": job.evaluated[0],
        "fixed": list(job.size) if job.size else None,
        "focal": _focal(job),
        "outputs": [
            *(_output(task_name, titles[task_name], task) for task_name, task in job.tasks.items()),
            *(
                _confidence(task_name, titles[task_name], ConfidenceView(output["title"], output["calibrated"]))
                for task_name, output in confidences.items()
            ),
        ],
    }


def _focal(job: Job) -> float | None:
    """Return the focal length of the run's data in image heights, as assumed by ``predict --point-cloud``."""
    focal_in_widths = focal_length(job.model.experiment.data)
    height, width = job.evaluated
    return None if focal_in_widths is None else focal_in_widths * width / height


def _name(job: Job) -> str:
    """Return the name of a released model, or of the run's folder."""
    folder = job.folder.path.resolve()
    return next((name for name in names() if find(name).resolve() == folder), job.folder.name)


def _text(job: Job) -> str:
    summary = listing(job.folder.path)
    network = f"{job.model.experiment.network.name}, {summary.parameters / 1e6:.1f} million parameters"
    trained = (
        f"Trained on {summary.trained_on}, for {summary.expects}." if summary.trained_on and summary.expects else ""
    )
    return f"{trained} {heading(network)}.".strip()


def _output(name: str, title: str, task: Task) -> dict[str, Any]:
    task_view = view(task.modality)
    return {
        "name": name,
        "title": title,
        "unit": _UNITS.get(task.modality.unit, ""),
        "channels": int(task.modality.shape[0]) if task.modality.shape else 1,
        "text": _text_of(task_view.key()),
        "drawing": _drawing(task_view, task.modality.unit),
    }


def _confidence(task: str, title: str, confidence_view: ConfidenceView) -> dict[str, Any]:
    """Return the description of a task's confidence, with the texts and colors of reports."""
    key = confidence_view.key()
    return {
        "name": confidence_name(task),
        "title": f"{title}, confidence",
        "unit": _PERCENT,
        "channels": 1,
        "text": _text_of(key),
        "of": task,
        "drawing": _scale(confidence_view.coloring()["scale"], key),
    }


def _text_of(key: Key) -> str:
    sentences = [part.text if isinstance(part, Example) else part for part in key]
    return " ".join(sentence for sentence in sentences if isinstance(sentence, str))


def _drawing(task_view: View[Any], unit: str) -> dict[str, Any]:
    """Return the view's colors in the format of the page."""
    coloring = task_view.coloring()
    if palette := coloring.get("palette"):
        return {"kind": "classes", "names": list(task_view.classes), "colors": palette}
    if channels := coloring.get("channels"):
        if unit == "unit vector":
            return {"kind": "directions", "signs": [1 if factor > 0 else -1 for factor in channels["factor"]]}
        return {"kind": "channels", **channels}
    values = np.array([1.0, 2.0, 4.0], np.float32)
    relative = not np.array_equal(task_view.comparable(values), values)
    return _scale(coloring.get("scale") or _GRAY, task_view.key(), relative=relative)


def _scale(scale: Mapping[str, Any], key: Key, *, relative: bool = False) -> dict[str, Any]:
    """Return a color scale, with the ticks of its legend if its ends are the same for every map."""
    is_fixed = scale["from"] is not None and scale["to"] is not None
    return {
        "kind": "scale",
        "colors": scale["colors"],
        "logarithmic": scale["logarithmic"],
        "ends": [scale["from"], scale["to"]] if is_fixed else None,
        "relative": relative,
        "ticks": [tick for part in key if isinstance(part, Scale) for tick in part.ticks] if is_fixed else [],
    }


_GRAY = {"colors": [[level] * 3 for level in range(256)], "from": None, "to": None, "logarithmic": False}
"""Scale of views that do not describe their colors."""
