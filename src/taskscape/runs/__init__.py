"""A run from its settings to its result: train an experiment into a folder, load and evaluate it from there."""

from taskscape.runs.experiment import Experiment
from taskscape.runs.run import (
    TrainedModel,
    assemble,
    environment,
    evaluate_run,
    flops,
    is_finished,
    load,
    open_data,
    read_experiment,
    train,
)
from taskscape.runs.run import evaluate_run as evaluate
from taskscape.runs.times import measure_times

__all__ = [
    "Experiment",
    "TrainedModel",
    "assemble",
    "environment",
    "evaluate",
    "evaluate_run",
    "flops",
    "is_finished",
    "load",
    "measure_times",
    "open_data",
    "read_experiment",
    "train",
]
