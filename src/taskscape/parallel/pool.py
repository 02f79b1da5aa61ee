"""Work of several processes, which end with the caller."""

import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

import cloudpickle
import loky

from taskscape.errors import Interrupted, signals_noted, stopping_signals
from taskscape.serialization import user_modules


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
