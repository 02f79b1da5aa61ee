"""Evaluation of networks on a split, and of image-blind baselines.

Names are imported on first use, so that a command can check a test-time augmentation without importing torch.
"""

from typing import TYPE_CHECKING

from taskscape.lazy import imported_on_first_use

if TYPE_CHECKING:
    from taskscape.evaluation.baselines import Baseline, baseline
    from taskscape.evaluation.calibration import calibrate
    from taskscape.evaluation.confidence import ConfidenceEvaluator
    from taskscape.evaluation.consistency import ConsistencyEnergy
    from taskscape.evaluation.evaluator import Evaluation, Evaluator, Forward, collect_samples, evaluate
    from taskscape.evaluation.losses import LossMeans
    from taskscape.evaluation.timing import seconds_of
    from taskscape.evaluation.tta import TTA, TestTimeAugmentation, find_tta

_MODULES = {
    "Baseline": "baselines",
    "ConfidenceEvaluator": "confidence",
    "ConsistencyEnergy": "consistency",
    "Evaluation": "evaluator",
    "Evaluator": "evaluator",
    "Forward": "evaluator",
    "LossMeans": "losses",
    "TTA": "tta",
    "TestTimeAugmentation": "tta",
    "baseline": "baselines",
    "calibrate": "calibration",
    "collect_samples": "evaluator",
    "evaluate": "evaluator",
    "find_tta": "tta",
    "seconds_of": "timing",
}

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

__getattr__, __dir__ = imported_on_first_use(__name__, __all__, _MODULES)
