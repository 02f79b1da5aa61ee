"""Objectives, which turn a network's outputs and the targets into one loss per task."""

from taskscape.objectives.base import Objective, Tasks, global_mean, tasks_with_labels
from taskscape.objectives.consistency import CrossTaskConsistency
from taskscape.objectives.supervised import Supervised
from taskscape.serialization import offer

__all__ = ["OBJECTIVES", "CrossTaskConsistency", "Objective", "Supervised", "Tasks", "global_mean", "tasks_with_labels"]

OBJECTIVES: tuple[type[Objective], ...] = (Supervised, CrossTaskConsistency)
"""The objectives of the package."""

offer(Objective, OBJECTIVES)
