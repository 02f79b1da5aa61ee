"""Sweeps: one experiment trained with many settings, in several processes or on a Ray cluster.

A sweep is a base experiment and axes. A **trial** is an experiment with an ordinary run folder: a finished run is not
repeated, an unfinished one is resumed. A **sampler** proposes trials: all points of a grid, or the suggestions of
Optuna's search. An **executor** trains them: in processes on this machine, or through Ray.
"""

from taskscape.sweeps.axes import Axis, Point, Range, Values
from taskscape.sweeps.executor import Executor
from taskscape.sweeps.grid import Grid
from taskscape.sweeps.local import LocalExecutor
from taskscape.sweeps.sampler import Outcome, Sampler
from taskscape.sweeps.stacked import StackedExecutor
from taskscape.sweeps.sweep import Sweep, run
from taskscape.sweeps.trial import Trial, is_done

__all__ = [
    "Axis",
    "Executor",
    "Grid",
    "LocalExecutor",
    "Outcome",
    "Point",
    "Range",
    "Sampler",
    "StackedExecutor",
    "Sweep",
    "Trial",
    "Values",
    "is_done",
    "run",
]
