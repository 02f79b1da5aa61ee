"""Errors that, like ``ValueError`` and ``OSError``, end a command with a message instead of a traceback."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


def stopping_signals() -> tuple[signal.Signals, ...]:
    """Return the signals that ask a process to stop: SIGINT (Ctrl-C), SIGTERM (schedulers), SIGHUP (closed terminals).

    SIGHUP is left out if it is ignored, as under nohup, or does not exist on this platform.
    """
    names = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    signals = [signal.Signals[name] for name in names]
    return tuple(s for s in signals if s.name != "SIGHUP" or signal.getsignal(s) != signal.SIG_IGN)


@contextmanager
def signals_noted() -> Iterator[list[int]]:
    """Record stop signals such as Ctrl-C in a list, in code where raising an exception would do harm."""
    noted: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # signals go to the main thread
        yield noted
        return
    # getsignal returns None for handlers installed from C, which must stay.
    numbers = [number for number in stopping_signals() if signal.getsignal(number) is not None]
    previous = {number: signal.signal(number, lambda number, frame: noted.append(number)) for number in numbers}
    try:
        yield noted
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


class SettingError(ValueError):
    """A setting of an experiment cannot be used. A command names its flag instead, which may be called differently."""

    def __init__(self, setting: str, reason: str) -> None:
        super().__init__(setting, reason)
        self.setting, self.reason = setting, reason

    def __str__(self) -> str:
        """Return the message, which names the setting."""
        return f"{self.setting}: {self.reason}"


def message_of(error: BaseException) -> str:
    """Return the message of an error; of one of the operating system with its files, but without its number."""
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error)
    files = " and ".join(str(file) for file in (error.filename, error.filename2) if file is not None)
    return f"{files}: {error.strerror}" if files else error.strerror  # taskscape's own messages name the file


class TrainingError(RuntimeError):
    """Training cannot continue. Files saved before are left as they are."""


class Interrupted(KeyboardInterrupt):
    """The user or a scheduler stopped the run."""

    def __init__(self, message: str, signum: int = signal.SIGINT) -> None:
        super().__init__(message)
        self.signum = int(signum)
        """The signal: SIGINT (Ctrl-C), SIGTERM or SIGHUP. The command exits with 128 + its number, as in a shell."""
