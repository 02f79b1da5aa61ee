"""Inference with a trained network: ``load`` returns predictions as arrays, ``predict`` writes them to files."""

from taskscape.inference.loading import load
from taskscape.inference.prediction import Prediction
from taskscape.inference.predictor import Predictor

__all__ = ["Prediction", "Predictor", "load"]
