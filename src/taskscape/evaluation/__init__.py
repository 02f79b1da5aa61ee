"""Metrics of a network on a split, and of image-blind baselines."""

from taskscape.evaluation.baselines import Baseline, baseline
from taskscape.evaluation.consistency import ConsistencyEnergy
from taskscape.evaluation.evaluate import Evaluation, Evaluator, Forward, collect_samples, evaluate
from taskscape.evaluation.losses import LossMeans
from taskscape.evaluation.timing import seconds_of
from taskscape.evaluation.tta import TTA, TestTimeAugmentation, find_tta

__all__ = [
    "TTA",
    "Baseline",
    "ConsistencyEnergy",
    "Evaluation",
    "Evaluator",
    "Forward",
    "LossMeans",
    "TestTimeAugmentation",
    "baseline",
    "collect_samples",
    "evaluate",
    "find_tta",
    "seconds_of",
]
