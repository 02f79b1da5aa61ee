"""Parallel work: threads, worker processes, processes of a launcher, and parts of the work for several machines."""

from taskscape.parallel.launched import launched_processes, launched_rank
from taskscape.parallel.pool import end_with, parallel_map
from taskscape.parallel.portion import Portion
from taskscape.parallel.threads import (
    MOST_THREADS,
    chosen_threads,
    cores,
    default_threads,
    keep_threads,
    use_threads,
    workers,
)

__all__ = [
    "MOST_THREADS",
    "Portion",
    "chosen_threads",
    "cores",
    "default_threads",
    "end_with",
    "keep_threads",
    "launched_processes",
    "launched_rank",
    "parallel_map",
    "use_threads",
    "workers",
]
