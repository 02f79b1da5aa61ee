"""Evaluation of networks on a split, and of image-blind baselines."""

from taskscape.evaluation.baselines import Baseline, baseline
from taskscape.evaluation.calibration import calibrate
from taskscape.evaluation.confidence import ConfidenceEvaluator
from taskscape.evaluation.consistency import ConsistencyEnergy
from taskscape.evaluation.evaluate import Evaluation, Evaluator, Forward, collect_samples, evaluate
from taskscape.evaluation.losses import LossMeans
from taskscape.evaluation.timing import seconds_of
from taskscape.evaluation.tta import TTA, TestTimeAugmentation, find_tta

__all__ = [
    "TTA",
    "Baseline",
    "ConfidenceEvaluator",
    "ConsistencyEnergy",
    "Evaluation",
    "Evaluator",
    "Forward",
    "LossMeans",
    "TestTimeAugmentation",
    "baseline",
    "calibrate",
    "collect_samples",
    "evaluate",
    "find_tta",
    "seconds_of",
]
