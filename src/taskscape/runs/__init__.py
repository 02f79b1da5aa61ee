"""Runs, from settings to results: train an experiment into a folder, and load and evaluate it from there."""

from taskscape.runs.build_trainer import assemble
from taskscape.runs.cost import environment, flops
from taskscape.runs.evaluate_run import evaluate
from taskscape.runs.experiment import Experiment
from taskscape.runs.times import measure_times
from taskscape.runs.train_run import is_finished, open_data, train
from taskscape.runs.train_stacked import train_stacked
from taskscape.runs.trained_model import TrainedModel, load, read_experiment

__all__ = [
    "Experiment",
    "TrainedModel",
    "assemble",
    "environment",
    "evaluate",
    "flops",
    "is_finished",
    "load",
    "measure_times",
    "open_data",
    "read_experiment",
    "train",
    "train_stacked",
]
