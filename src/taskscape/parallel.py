"""Work spread over processes of this machine."""

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
"""What is more is a mistake, and the libraries that compute would try to start them."""

_chosen: list[int] = []
"""The number of threads that ``use_threads`` was called with last, if it was."""


def use_threads(count: int) -> None:
    """Let this process compute with ``count`` threads, and start as many workers where no other number is asked for.

    Raises ``ValueError`` below 1, and above ``MOST_THREADS``.
    """
    if not 1 <= count <= MOST_THREADS:
        raise ValueError(f"{count} threads are not possible: use 1 to {MOST_THREADS}")
    _chosen[:] = [count]
    os.environ["OMP_NUM_THREADS"] = str(count)  # for a torch that is imported later, here or in a worker
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(count)


def chosen_threads() -> int | None:
    """Return the number of threads that ``use_threads`` was called with, None where it was not."""
    return _chosen[0] if _chosen else None


def launched_processes() -> int:
    """Return how many processes torchrun or SLURM started for this command; 1 without them."""
    return int(os.environ.get("WORLD_SIZE", os.environ.get("SLURM_NTASKS", "1")))


def launched_rank() -> int:
    """Return the number of this process among those, from 0."""
    return int(os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0")))


class Portion(NamedTuple):
    """A part of work that is divided among machines, 1 … ``of``."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> "Portion":
        """Return the third of ten of ``3/10``. Raises ``ValueError``."""
        number, slash, of = text.partition("/")
        if not (slash and number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
            raise ValueError(f"--part {text} is no part: write 3/10 for the third of ten")
        return cls(int(number), int(of))

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def among(self, count: int) -> range:
        """Return its share of ``count`` things: together the parts have each once."""
        return range((self.number - 1) * count // self.of, self.number * count // self.of)


def keep_threads(count: int) -> None:
    """Let torch compute with ``count`` threads, as before, where neither ``use_threads`` nor OMP_NUM_THREADS says else.

    It takes at most one for each core.
    """
    if chosen_threads() is None and "OMP_NUM_THREADS" not in os.environ:
        import torch

        torch.set_num_threads(min(count, cores()))


def cores() -> int:
    """Return how many CPU cores this process may use: those of its affinity, within the quota of a container."""
    return int(loky.cpu_count())


def workers(processes: int | None) -> int:
    """Return how many processes to use, by default one per thread that was chosen, or per core.

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
    """Yield job(*arguments) for all ``count`` ``jobs``, in order, from several processes, with few results waiting.

    One job, or one process, is the caller itself unless ``in_caller`` is false.

    When the caller stops early, by Ctrl-C or SIGTERM for example, or is killed, the processes are ended at once: what a
    job writes must be complete or recognizably incomplete at any moment.
    """
    if in_caller and min(processes, count) <= 1:
        for arguments in jobs:
            yield job(*arguments)
        return
    # loky starts fresh processes, since the caller may hold threads, such as torch's, that a fork would break; unlike
    # the standard library's they do not run the caller's script.
    for module in user_modules():
        cloudpickle.register_pickle_by_value(module)  # a fresh process cannot import a user's file by its name
    with signals_noted() as noted:
        pool = loky.ProcessPoolExecutor(min(processes, count), initializer=_start_worker, initargs=(os.getpid(),))
        waiting: deque[Future[object]] = deque()
        try:
            for arguments in jobs:
                with _interrupts_blocked():
                    waiting.append(pool.submit(job, *arguments))
                if len(waiting) >= 4 * processes:
                    yield _result(waiting.popleft(), noted)
            while waiting:
                yield _result(waiting.popleft(), noted)
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
            if future.done():  # it is the job's own
                raise
    if noted[0] == signal.SIGINT:
        raise KeyboardInterrupt
    raise Interrupted(f"stopped by {signal.Signals(noted[0]).name}", noted[0])


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Processes that are started meanwhile are born with the signals blocked, so that none dies while it imports."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, stopping_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_worker(parent: int) -> None:
    """Leave Ctrl-C and SIGTERM, which may reach all processes, to the parent, which stops the pool; end with it."""
    end_with(parent)
    numbers = stopping_signals()
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)


def end_with(parent: int) -> None:
    """Let this process end when its parent does, however that comes about."""
    threading.Thread(target=_wait_and_end, args=(parent,), daemon=True).start()


def _wait_and_end(parent: int) -> None:
    if sys.platform == "win32":
        import _winapi

        handle = _winapi.OpenProcess(_winapi.SYNCHRONIZE, False, parent)
        _winapi.WaitForSingleObject(handle, _winapi.INFINITE)
    else:
        # Linux could send a signal (prctl), but does so already when the thread ends that started the worker.
        while os.getppid() == parent:
            time.sleep(0.5)
    os._exit(1)
