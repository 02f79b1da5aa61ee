"""Messages of the logger ``taskscape``, shown on standard error and written to the run folder.

Modules log with ``logging.getLogger(__name__)``: ``warning`` for possible problems, ``info`` for what a user should
know, ``debug`` for details.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from logging.handlers import MemoryHandler
from pathlib import Path
from typing import TYPE_CHECKING

from typing_extensions import override

from taskscape.errors import message_of

if TYPE_CHECKING:
    from rich.console import Console

_LOGGER = logging.getLogger("taskscape")
_FORMAT = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%d %H:%M:%S")
_NEVER = logging.CRITICAL + 1

_shown_from = logging.INFO

_file: ContextVar[Path | None] = ContextVar("file", default=None)
"""The log file that messages of this context belong to; None for all files."""


def show_from(level: int) -> None:
    """Show messages of this level and above: ``logging.WARNING`` also hides progress, ``DEBUG`` shows everything."""
    global _shown_from
    _shown_from = level


def is_quiet() -> bool:
    """Return whether only warnings and errors are shown."""
    return _shown_from > logging.INFO


@contextmanager
def shown_on(console: "Console") -> Iterator[None]:
    """Print messages to a console, which prints nothing if it is ``quiet``."""
    with _with_handler(_ConsoleHandler(console)):
        yield


@contextmanager
def only_to(path: Path) -> Iterator[None]:
    """Write messages of this context to no log file but this one, for runs that share a process."""
    token = _file.set(path)
    try:
        yield
    finally:
        _file.reset(token)


@contextmanager
def written_to_file(only: Path | None = None) -> Iterator[Callable[[Path], None]]:
    """Write messages, and the error that ends the context, to a file, which is set by calling the yielded function.

    Messages are buffered until that call, and dropped without one. They are appended to an existing file. A file that
    cannot be written is not an error; the run continues without its log. With ``only``, messages that belong to other
    files (see ``only_to``) are left out.
    """
    buffer = MemoryHandler(10_000, flushLevel=_NEVER, flushOnClose=False)
    buffer.addFilter(lambda record: _file.get() in (None, only) or only is None)

    def write_to(path: Path) -> None:
        with suppress(OSError):
            file = _QuietFileHandler(path, "a", "utf-8")
            file.setFormatter(_FORMAT)
            buffer.setTarget(file)
            buffer.flushLevel = logging.NOTSET
            buffer.flush()

    with _with_handler(buffer):
        try:
            yield write_to
        except BaseException as error:
            buffer.handle(_record_of(error))
            raise
        finally:
            buffer.buffer.clear()  # a record holds its error, whose frames hold this buffer and the run's network
            if buffer.target is not None:
                with suppress(OSError):  # a full disk must not replace the error that ends the run
                    buffer.target.close()


def _record_of(error: BaseException) -> logging.LogRecord:
    """Return a record of an error, with its traceback unless the user can fix it."""
    is_user_error = isinstance(error, KeyboardInterrupt | ValueError | OSError)
    exc_info = None if is_user_error else (type(error), error, error.__traceback__)
    message = message_of(error) or type(error).__name__
    return _LOGGER.makeRecord(_LOGGER.name, logging.ERROR, __file__, 0, "%s", (message,), exc_info)


@contextmanager
def _with_handler(handler: logging.Handler) -> Iterator[None]:
    level = _LOGGER.level
    _LOGGER.setLevel(logging.DEBUG)
    _LOGGER.addHandler(handler)
    try:
        yield
    finally:
        _LOGGER.removeHandler(handler)
        _LOGGER.setLevel(level)
        handler.close()


class _ConsoleHandler(logging.Handler):
    def __init__(self, console: "Console") -> None:
        super().__init__(_shown_from)
        self.console = console

    @override
    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.levelno >= logging.WARNING:
            text = f"warning: {text}"
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)


class _QuietFileHandler(logging.FileHandler):
    @override
    def handleError(self, record: logging.LogRecord) -> None:
        """Do nothing: on a full disk, the run ends when it writes its checkpoint."""
