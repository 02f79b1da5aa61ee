"""Inference with a trained network: ``load`` returns predictions as arrays, ``predict`` writes them to files.

Names are imported on first use, so that a command can check its arguments without importing torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

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


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
