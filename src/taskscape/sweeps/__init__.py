"""Sweeps: one experiment trained with many settings, in several processes or on a Ray cluster.

A sweep is a base experiment and axes. A **trial** is an experiment with an ordinary run folder: a finished run is not
repeated, an unfinished one is resumed. A **sampler** proposes trials: all points of a grid, or the suggestions of
Optuna's search. An **executor** trains them: in processes on this machine, or through Ray.

Names are imported on first use, so that a command can check the axes of a sweep without importing torch.
"""

from typing import TYPE_CHECKING

from taskscape.lazy import imported_on_first_use

if TYPE_CHECKING:
    from taskscape.sweeps.axes import Axis, Point, Range, Values
    from taskscape.sweeps.executor import Executor
    from taskscape.sweeps.grid import Grid
    from taskscape.sweeps.local import LocalExecutor
    from taskscape.sweeps.sampler import Outcome, Sampler
    from taskscape.sweeps.stacked import StackedExecutor
    from taskscape.sweeps.sweep import Sweep, run
    from taskscape.sweeps.trial import Trial, is_done

_MODULES = {
    "Axis": "axes",
    "Executor": "executor",
    "Grid": "grid",
    "LocalExecutor": "local",
    "Outcome": "sampler",
    "Point": "axes",
    "Range": "axes",
    "Sampler": "sampler",
    "StackedExecutor": "stacked",
    "Sweep": "sweep",
    "Trial": "trial",
    "Values": "axes",
    "is_done": "trial",
    "run": "sweep",
}

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

__getattr__, __dir__ = imported_on_first_use(__name__, __all__, _MODULES)
