"""Experiment trackers, which send a run's log to other programs."""

from taskscape.trackers.base import Tracker
from taskscape.trackers.mlflow import MLflowTracker
from taskscape.trackers.tracking import Tracking, find_tracker
from taskscape.trackers.wandb import WandbTracker

__all__ = ["MLflowTracker", "Tracker", "Tracking", "WandbTracker", "find_tracker"]
