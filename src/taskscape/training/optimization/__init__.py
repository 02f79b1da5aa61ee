"""Settings of torch's optimizers, parameter groups, and learning-rate schedules."""

from taskscape.training.optimization.groups import build_optimizer, parameter_groups
from taskscape.training.optimization.optimizers import (
    OPTIMIZERS,
    AdamConfig,
    AdamWConfig,
    OptimizerConfig,
    ParameterGroups,
    SGDConfig,
)
from taskscape.training.optimization.schedules import SCHEDULES, Constant, Cosine, OneCycle, Poly, Schedule, Step

__all__ = [
    "OPTIMIZERS",
    "SCHEDULES",
    "AdamConfig",
    "AdamWConfig",
    "Constant",
    "Cosine",
    "OneCycle",
    "OptimizerConfig",
    "ParameterGroups",
    "Poly",
    "SGDConfig",
    "Schedule",
    "Step",
    "build_optimizer",
    "parameter_groups",
]
