"""The number of threads and cores that this process computes with."""

import os
import sys

import loky

MOST_THREADS = 1024
"""Upper limit of the number of threads. More is surely a mistake, but the compute libraries would try to start them."""

_chosen: list[int] = []
"""The number of threads from the last call of ``use_threads``; empty before the first."""


def use_threads(count: int) -> None:
    """Set the number of threads that this process computes with, and the default number of worker processes.

    Raises ``ValueError`` below 1, and above ``MOST_THREADS``.
    """
    if not 1 <= count <= MOST_THREADS:
        raise ValueError(f"{count} threads are not possible: use 1 to {MOST_THREADS}")
    _chosen[:] = [count]
    os.environ["OMP_NUM_THREADS"] = str(count)  # for torch, if it is imported later, here or in a worker
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(count)


def chosen_threads() -> int | None:
    """Return the number of threads set with ``use_threads``, or None."""
    return _chosen[0] if _chosen else None


def default_threads() -> int:
    """Return the number of threads for this process: that of ``use_threads``, OMP_NUM_THREADS, or that of cores."""
    variable = os.environ.get("OMP_NUM_THREADS", "")
    return chosen_threads() or (int(variable) if variable.isdecimal() else 0) or cores()


def keep_threads(count: int) -> None:
    """Set torch to ``count`` threads, as before, unless ``use_threads`` or OMP_NUM_THREADS determines the number.

    Uses at most one thread per core.
    """
    if chosen_threads() is None and "OMP_NUM_THREADS" not in os.environ:
        import torch

        torch.set_num_threads(min(count, cores()))


def cores() -> int:
    """Return the number of CPU cores that this process may use, given its affinity and the container's quota."""
    return int(loky.cpu_count())


def workers(processes: int | None) -> int:
    """Return the number of worker processes: ``processes``, or else that of ``use_threads``, or that of cores.

    Raises ``ValueError`` below 1.
    """
    if processes is not None and processes < 1:
        raise ValueError(f"{processes} processes are not possible: use 1 or more, or None for one per core")
    return processes or chosen_threads() or cores()
