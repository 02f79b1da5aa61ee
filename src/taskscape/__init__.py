"""Multi-task dense prediction: networks that predict several maps from one image, compared under one protocol.

The public names are available here and are imported on first use::

    import taskscape

    network = taskscape.models.DeeplabJoint({"semseg": 19, "depth": 1}, encoder="resnet18")
    result = taskscape.train("joint", "runs/joint")
    prediction = taskscape.load("runs/joint").predict("photo.jpg")
"""

from typing import TYPE_CHECKING

from taskscape.lazy import imported_on_first_use

__version__ = "0.1.0"

if TYPE_CHECKING:
    from taskscape import data, losses, metrics, modalities, models, objectives, recipes, tasks, views, weighting
    from taskscape.inference import load
    from taskscape.recipes import train
    from taskscape.runs import Experiment, evaluate

_MODULES = {
    "Experiment": "runs",
    "evaluate": "runs",
    "load": "inference",
    "train": "recipes",
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

__getattr__, __dir__ = imported_on_first_use(__name__, __all__, _MODULES)
