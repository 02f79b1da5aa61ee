"""What the page is told of a network: ``About`` of ``web/src/model/about.ts``."""

from typing import Any

import numpy as np

from taskscape.data.cameras import focal_length
from taskscape.export.formats import Job
from taskscape.released import find, names
from taskscape.released.listing import listing
from taskscape.report.words import heading, task_word
from taskscape.tasks import Task
from taskscape.views import Example, View, view
from taskscape.views.colors import INVALID

_UNITS = {"metre": "m", "median of the image": "medians"}
"""How they stand after a number; others are not said there."""


def about(job: Job, name: str = "") -> dict[str, Any]:
    """Return what the page is told; ``name`` is what the network is called there, by default as its folder."""
    modalities = {task: one.modality for task, one in job.tasks.items()}
    return {
        "name": name or _name(job),
        "text": _text(job),
        "invalid": list(INVALID),
        "height": job.evaluated[0],
        "fixed": list(job.size) if job.size else None,
        "focal": _focal(job),
        "outputs": [_output(task, heading(task_word(task, modalities)), one) for task, one in job.tasks.items()],
    }


def _focal(job: Job) -> float | None:
    """Return the focal length of the run's data in heights of an image, as ``predict --point-cloud`` assumes it."""
    known = focal_length(job.model.experiment.data)
    height, width = job.evaluated
    return None if known is None else known * width / height


def _name(job: Job) -> str:
    """Return the name of a released model, or of the run's folder."""
    folder = job.folder.path.resolve()
    return next((name for name in names() if find(name).resolve() == folder), job.folder.name)


def _text(job: Job) -> str:
    known = listing(job.folder.path)
    network = f"{job.model.experiment.network.name}, {known.parameters / 1e6:.1f} million parameters"
    trained = f"Trained on {known.trained_on}, for {known.expects}." if known.trained_on and known.expects else ""
    return f"{trained} {heading(network)}.".strip()


def _output(name: str, title: str, task: Task) -> dict[str, Any]:
    shown = view(task.modality)
    sentences = [part.text if isinstance(part, Example) else part for part in shown.key()]
    return {
        "name": name,
        "title": title,
        "unit": _UNITS.get(task.modality.unit, ""),
        "channels": int(task.modality.shape[0]) if task.modality.shape else 1,
        "text": " ".join(one for one in sentences if isinstance(one, str)),
        "drawing": _drawing(shown, task.modality.unit),
    }


def _drawing(shown: View[Any], unit: str) -> dict[str, Any]:
    """Return the view's colors in the page's words."""
    coloring = shown.coloring()
    if palette := coloring.get("palette"):
        return {"kind": "classes", "names": list(shown.classes), "colors": palette}
    if channels := coloring.get("channels"):
        if unit == "unit vector":
            return {"kind": "directions", "signs": [1 if factor > 0 else -1 for factor in channels["factor"]]}
        return {"kind": "channels", **channels}
    scale = coloring.get("scale") or {"colors": _GRAY, "from": None, "to": None, "logarithmic": False}
    some = np.array([1.0, 2.0, 4.0], np.float32)
    return {
        "kind": "scale",
        "colors": scale["colors"],
        "logarithmic": scale["logarithmic"],
        "ends": None if scale["from"] is None or scale["to"] is None else [scale["from"], scale["to"]],
        "relative": not np.array_equal(shown.comparable(some), some),
    }


_GRAY = [[level] * 3 for level in range(0, 256)]
"""For views that say nothing of their colors."""
