"""Metrics of a network on a split, and of image-blind baselines."""

from taskscape.evaluation.baselines import Baseline, baseline
from taskscape.evaluation.evaluate import Evaluation, Evaluator, Forward, collect_samples, evaluate
from taskscape.evaluation.losses import LossMeans
from taskscape.evaluation.timing import seconds_of

__all__ = [
    "Baseline",
    "Evaluation",
    "Evaluator",
    "Forward",
    "LossMeans",
    "baseline",
    "collect_samples",
    "evaluate",
    "seconds_of",
]
