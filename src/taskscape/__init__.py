"""Multi-task dense prediction: networks that predict several maps from one image, compared under one protocol.

The public names are available here and are imported on first use::

    import taskscape

    network = taskscape.models.DeeplabJoint({"semseg": 19, "depth": 1}, encoder="resnet18")
    result = taskscape.train("joint", "runs/joint")
    prediction = taskscape.load("runs/joint").predict("photo.jpg")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from taskscape import data, losses, metrics, modalities, models, objectives, recipes, tasks, views, weighting
    from taskscape.inference import load
    from taskscape.recipes import train
    from taskscape.runs import Experiment, evaluate

_MODULES = {
    "Experiment": "taskscape.runs",
    "evaluate": "taskscape.runs",
    "load": "taskscape.inference",
    "train": "taskscape.recipes",
}
"""The modules of the public names that are not subpackages."""

__all__ = [
    "Experiment",
    "__version__",
    "data",
    "evaluate",
    "load",
    "losses",
    "metrics",
    "modalities",
    "models",
    "objectives",
    "recipes",
    "tasks",
    "train",
    "views",
    "weighting",
]


def __getattr__(name: str) -> Any:
    """Import a public name on first use, because importing torch alone takes seconds."""
    if name in _MODULES:
        value = globals()[name] = getattr(import_module(_MODULES[name]), name)
        return value
    if name in __all__:
        return import_module(f"taskscape.{name}")
    raise AttributeError(f"module 'taskscape' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
