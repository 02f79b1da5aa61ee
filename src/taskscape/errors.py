"""Errors that end a command with a message instead of a traceback, beside ``ValueError`` and ``OSError``."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


def stopping_signals() -> tuple[signal.Signals, ...]:
    """Return the signals that ask to stop: Ctrl-C, a scheduler's SIGTERM, the SIGHUP of a terminal that is closed.

    Without SIGHUP where it is ignored, as under nohup, and where there is none.
    """
    names = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    signals = [signal.Signals[name] for name in names]
    return tuple(s for s in signals if s.name != "SIGHUP" or signal.getsignal(s) != signal.SIG_IGN)


@contextmanager
def signals_noted() -> Iterator[list[int]]:
    """Note Ctrl-C and its like in a list instead of raising them where that would do harm."""
    noted: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # signals go to the main thread
        yield noted
        return
    numbers = [number for number in stopping_signals() if signal.getsignal(number) is not None]  # none of C's own
    before = {number: signal.signal(number, lambda number, frame: noted.append(number)) for number in numbers}
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class TrainingError(RuntimeError):
    """Training cannot go on. What was saved before is not touched."""


class Interrupted(KeyboardInterrupt):
    """The user or a scheduler stopped the run; its checkpoint is written."""

    def __init__(self, message: str, signum: int = signal.SIGINT) -> None:
        super().__init__(message)
        self.signum = int(signum)
        """SIGINT for Ctrl-C, SIGTERM or SIGHUP. A command then ends with 128 + its number, as in a shell."""
