"""Work that is spread over processes of this machine."""

import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from loky import ProcessPoolExecutor


def workers(processes: int | None) -> int:
    """Return how many processes to use, one per core by default. Raises ``ValueError`` below 1."""
    if processes is not None and processes < 1:
        raise ValueError(f"{processes} processes are not possible: use 1 or more, or None for one per core")
    return processes or (len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1)


def run(job: Callable[..., object], jobs: Iterable[tuple[object, ...]], count: int, processes: int) -> Iterator[object]:
    """Yield job(*arguments) for all ``count`` ``jobs``, in order, from several processes, with few results waiting.

    When the caller stops early, by Ctrl-C for one, the processes are ended at once: what a job writes must be
    complete or recognisable as incomplete at any moment.
    """
    if min(processes, count) <= 1:
        for arguments in jobs:
            yield job(*arguments)
        return
    # loky starts fresh processes, since the caller may hold threads, such as torch's, that a fork would break; unlike
    # the standard library's they do not run the caller's script.
    pool = ProcessPoolExecutor(min(processes, count), initializer=_start_worker)
    waiting: deque[Future[object]] = deque()
    try:
        for arguments in jobs:
            with _interrupts_held():
                waiting.append(pool.submit(job, *arguments))
            if len(waiting) >= 4 * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BaseException:  # including Ctrl-C and a caller that stops early
        pool.shutdown(kill_workers=True)
        raise
    pool.shutdown()


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Delay Ctrl-C. Processes started meanwhile are born with it blocked, so none dies of it while it imports."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_worker() -> None:
    """Leave Ctrl-C to the parent: it stops the pool."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
