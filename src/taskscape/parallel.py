"""Parallel work in processes of this machine, and the number of threads."""

import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import NamedTuple

import cloudpickle
import loky

from taskscape.errors import Interrupted, signals_noted, stopping_signals
from taskscape.serialization import user_modules

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


def launched_processes() -> int:
    """Return the number of processes that torchrun or srun started for this command; 1 without a launcher.

    In a batch script of SLURM, a command without srun is one process, however many tasks the job has (SLURM_NTASKS).
    """
    return int(os.environ.get("WORLD_SIZE", os.environ.get("SLURM_STEP_NUM_TASKS", "1")))


def launched_rank() -> int:
    """Return the rank of this process among the launched ones, from 0."""
    return int(os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0")))


class Portion(NamedTuple):
    """One part of work divided among machines: ``number`` out of 1 … ``total``."""

    number: int
    total: int

    @classmethod
    def parse(cls, text: str) -> "Portion":
        """Parse a portion such as ``3/10``, the third of ten. Raises ``ValueError``."""
        number, slash, total = text.partition("/")
        if not (slash and number.isdecimal() and total.isdecimal() and 1 <= int(number) <= int(total)):
            raise ValueError(f"--part {text} is not a valid part: write 3/10 for the third of ten")
        return cls(int(number), int(total))

    def __str__(self) -> str:
        return f"{self.number}/{self.total}"

    def among(self, count: int) -> range:
        """Return the indices of this part among ``count`` items. Together, the parts have every item exactly once."""
        return range((self.number - 1) * count // self.total, self.number * count // self.total)


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


def parallel_map(
    job: Callable[..., object],
    jobs: Iterable[tuple[object, ...]],
    count: int,
    processes: int,
    *,
    in_caller: bool = True,
) -> Iterator[object]:
    """Yield ``job(*arguments)`` for all ``count`` items of ``jobs``, in order, computed by several processes.

    Only a few results are held at a time. A single job, or one process, runs in the calling process unless
    ``in_caller`` is false.

    If the caller stops early, for example by Ctrl-C or SIGTERM, or is killed, the processes are ended at once. Files
    that a job writes must therefore be complete or recognizably incomplete at any moment.
    """
    if in_caller and min(processes, count) <= 1:
        for arguments in jobs:
            yield job(*arguments)
        return
    # loky starts fresh processes, because a fork would break threads of the caller, such as torch's. Unlike those of
    # the standard library, its processes do not run the caller's script.
    for module in user_modules():
        cloudpickle.register_pickle_by_value(module)  # a fresh process cannot import a user's file by name
    with signals_noted() as noted:
        pool = loky.ProcessPoolExecutor(min(processes, count), initializer=_start_worker, initargs=(os.getpid(),))
        futures: deque[Future[object]] = deque()
        try:
            for arguments in jobs:
                with _interrupts_blocked():
                    futures.append(pool.submit(job, *arguments))
                if len(futures) >= 4 * processes:
                    yield _result(futures.popleft(), noted)
            while futures:
                yield _result(futures.popleft(), noted)
        except BaseException:  # including Ctrl-C and a caller that stops early
            pool.shutdown(kill_workers=True)
            raise
        pool.shutdown()


def _result(future: Future[object], noted: list[int]) -> object:
    """Wait for a result, or for Ctrl-C or SIGTERM."""
    while not noted:
        try:
            return future.result(timeout=0.1)
        except TimeoutError:
            if future.done():  # the job itself raised TimeoutError
                raise
    if noted[0] == signal.SIGINT:
        raise KeyboardInterrupt
    raise Interrupted(f"stopped by {signal.Signals(noted[0]).name}", noted[0])


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Block stop signals in processes started in this context, so that none is killed during its imports."""
    if sys.platform == "win32":
        yield
        return
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, stopping_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _start_worker(parent: int) -> None:
    """Ignore stop signals, which may reach all processes, as the parent stops the pool; exit when the parent does."""
    end_with(parent)
    numbers = stopping_signals()
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)


def end_with(parent: int) -> None:
    """Make this process exit when its parent exits for any reason."""
    threading.Thread(target=_wait_and_end, args=(parent,), daemon=True).start()


def _wait_and_end(parent: int) -> None:
    if sys.platform == "win32":
        import _winapi

        handle = _winapi.OpenProcess(_winapi.SYNCHRONIZE, False, parent)
        _winapi.WaitForSingleObject(handle, _winapi.INFINITE)
    else:
        # Linux could send a signal (prctl), but would send it as soon as the thread that started the worker ends.
        while os.getppid() == parent:
            time.sleep(0.5)
    os._exit(1)
