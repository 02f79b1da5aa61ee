"""Inference with a trained network: ``load`` returns predictions as arrays, ``predict`` writes them to files.

Names are imported on first use, so that a command can check its arguments without importing torch.
"""

from typing import TYPE_CHECKING

from taskscape.lazy import imported_on_first_use

if TYPE_CHECKING:
    from taskscape.inference.loading import load
    from taskscape.inference.prediction import Prediction
    from taskscape.inference.predictor import Predictor

_MODULES = {
    "Prediction": "prediction",
    "Predictor": "predictor",
    "load": "loading",
}

__all__ = [
    "Prediction",
    "Predictor",
    "load",
]

__getattr__, __dir__ = imported_on_first_use(__name__, __all__, _MODULES)
