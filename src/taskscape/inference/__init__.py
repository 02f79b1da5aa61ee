"""Predictions of a trained network for images: in Python with ``load``, as files with ``predict``."""

from taskscape.inference.predictor import Prediction, Predictor, load

__all__ = ["Prediction", "Predictor", "load"]
