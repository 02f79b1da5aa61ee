"""Predictions of a trained network for images: in Python with ``load``, as files with ``predict``."""

from taskscape.inference.loading import load
from taskscape.inference.prediction import Prediction
from taskscape.inference.predictor import Predictor

__all__ = ["Prediction", "Predictor", "load"]
