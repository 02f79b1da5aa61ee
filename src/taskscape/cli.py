"""The command ``taskscape``: run a command from ``commands/`` and report an error as a single message."""

import errno
import importlib
import io
import logging
import os
import re
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from taskscape.commands import COMMANDS
from taskscape.errors import Interrupted, TrainingError, message_of, stopping_signals
from taskscape.serialization import nearest


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command.

    A leading ``--`` is skipped; it keeps a launcher such as torchrun from parsing the command's flags.

    Exit codes: 0 success, 1 training failed, 2 invalid input, 130 stopped by Ctrl-C, 143 by SIGTERM, 129 by SIGHUP.
    """
    if arguments is None:
        _open_closed_streams()
        _restart_in_utf_8()
        _share_cores()
    _replace_characters()
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    if arguments[:1] == ["--"]:
        del arguments[0]
    try:
        with _terminations_raised():
            # The command line to complete may contain any flag, even an unfinished one.
            _run(arguments if arguments[:1] == ["completion"] else _apply_threads(_apply_verbosity(arguments)))
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of the pipe is gone. The interpreter flushes stdout again at exit, which must not fail as well.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt as interrupt:
        _complain(_escaped(str(interrupt) or "stopped"))
        sys.exit(128 + (interrupt.signum if isinstance(interrupt, Interrupted) else signal.SIGINT))
    except Exception as error:
        code = _exit_code(error)
        if debug or code is None:
            raise
        _complain(f"[bold red]error:[/] {_escaped(_message_and_place(error))}")
        sys.exit(code)


def _open_closed_streams() -> None:
    """Connect standard streams that the shell closed (``>&-``) to the null device.

    Otherwise the next file to be opened would take the stream's descriptor.
    """
    for number, (name, mode) in enumerate({"stdin": "r", "stdout": "w", "stderr": "w"}.items()):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free descriptor
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


def _restart_in_utf_8() -> None:
    """Restart Python in UTF-8 mode if the locale uses another encoding for file names.

    File contents are always read as UTF-8. The terminal keeps its encoding. On nearly all systems file names are UTF-8
    already, and nothing happens.
    """
    if sys.getfilesystemencoding().lower() != "utf-8" and os.name == "posix":
        terminal = os.environ.get("PYTHONIOENCODING") or f"{sys.stdout.encoding}:replace"
        environment = {**os.environ, "PYTHONUTF8": "1", "PYTHONIOENCODING": terminal}
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


def _share_cores() -> None:
    """Let torch's threads sleep after 0.1 ms of waiting for each other, to leave the cores to other programs.

    They wait after every layer. GNU OpenMP, with which torch computes on Linux, lets them occupy their cores for up to
    100 times as long, which saves nothing on idle cores; on a busy machine a step takes several times as long. A unit
    is a pause instruction, whose length is known for x86. Only has an effect before torch is imported. Worker processes
    inherit it; a setting of the user stays.
    """
    if sys.platform == "linux" and os.uname().machine == "x86_64" and "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "3000")


def _replace_characters() -> None:
    """Print characters missing from the terminal's encoding as "?" instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _apply_verbosity(arguments: list[str]) -> list[str]:
    """Apply ``--quiet`` and ``--verbose``, flags of every command, and return the other arguments."""
    levels = {"--quiet": logging.WARNING, "--verbose": logging.DEBUG}
    flags = [argument for argument in arguments if argument in levels]
    if len(set(flags)) > 1:
        raise ValueError("--quiet and --verbose exclude each other: use only one")
    from taskscape import logs

    logs.show_from(levels[flags[0]] if flags else logging.INFO)
    return [argument for argument in arguments if argument not in levels]


def _apply_threads(arguments: list[str]) -> list[str]:
    """Apply ``--threads N``, a flag of every command, and return the other arguments.

    Raises ``ValueError`` if the flag is repeated or its value is not a positive integer.
    """
    indices = [i for i, argument in enumerate(arguments) if argument.partition("=")[0] == "--threads"]
    if not indices:
        return arguments
    if len(indices) > 1:
        raise ValueError("--threads is given twice: leave one out")
    index = indices[0]
    _, equals, number = arguments[index].partition("=")
    value = number if equals else "".join(arguments[index + 1 : index + 2])
    if not (value.isdecimal() and int(value)):
        raise ValueError(f"--threads {value or 'without a number'}: give the number of CPU cores to use, 1 or more")
    from taskscape.parallel import use_threads

    use_threads(int(value))
    return arguments[:index] + arguments[index + 1 + (not equals) :]


def _run(arguments: list[str]) -> None:
    name, *rest = arguments or ["--help"]
    if name == "help" and rest:
        name, *rest = *rest, "--help"
    if name in ("-h", "--help", "help"):
        _print_help()
    elif name in ("--version", "-V"):
        from taskscape import __version__

        print(f"taskscape {__version__}")
    elif name in COMMANDS:
        module = importlib.import_module(f"taskscape.commands.{name}")
        if hasattr(module, "main"):
            module.main(rest)
        else:
            from taskscape.commands.call import call

            call(getattr(module, name), rest, name)
    else:
        raise ValueError(f"there is no command {name!r}{nearest(name, [*COMMANDS, '--help', '--version'])}")


@contextmanager
def _terminations_raised() -> Iterator[None]:
    """Treat SIGTERM and SIGHUP like Ctrl-C: stop the workers, release locks and print a message."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread can handle signals
        yield
        return
    previous = {number: signal.signal(number, _terminate) for number in stopping_signals() if number != signal.SIGINT}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _terminate(signum: int, frame: FrameType | None) -> None:
    raise Interrupted(f"stopped by {signal.Signals(signum).name}", signum)


def _print_help() -> None:
    from taskscape.commands.layout import filled, names

    print("Train, compare and use networks that predict several maps from one image.\n\nusage: taskscape COMMAND ...\n")
    print("\n".join(names({f"  {name}": text for name, text in COMMANDS.items()})))
    print("\nRun taskscape COMMAND --help for the help of a command.")
    print(
        filled(
            "--version prints the version. Every command accepts --threads N (the number of CPU cores to use), --quiet "
            "(print only results and warnings), --verbose (print details) and --debug (print the traceback of errors)."
        )
    )


def _exit_code(error: Exception) -> int | None:
    """Return the exit code of an error that the user can fix, or None for a bug in the program."""
    if isinstance(error, ValueError | OSError):
        return 2
    return 1 if isinstance(error, TrainingError) or _is_out_of_memory(error) else None


def _is_out_of_memory(error: Exception) -> bool:
    """Return whether an error means out of memory, in Python or in torch, without importing torch."""
    if isinstance(error, MemoryError):
        return True
    phrases = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, RuntimeError) and any(phrase in str(error) for phrase in phrases)


def _complain(text: str) -> None:
    from rich.console import Console

    Console(stderr=True, highlight=False, soft_wrap=True).print(text)


def _escaped(text: str) -> str:
    """Return a text without control characters and markup, since names chosen by users may contain brackets."""
    from rich.markup import escape

    from taskscape.files.paths import printable

    return escape(printable(text))


def _message_and_place(error: Exception) -> str:
    from taskscape.serialization import location_in_user_code

    message, location = _message(error) or type(error).__name__, location_in_user_code(error)
    return f"{message} ({location})" if location else message


def _message(error: Exception) -> str:
    """Return the message of an error.

    An error of the operating system is shown without its number, but with its file and a remedy.
    """
    from taskscape.files.paths import access_remedy

    if _is_out_of_memory(error):
        match = re.search(r"ried to allocate [\d.]+ \w+", str(error))
        return (
            f"there is not enough memory{f' (t{match[0]})' if match else ''}: use smaller images or batches; for this "
            "train has --batch-size and --recompute-activations, and predict has --height and --tiles"
        )
    if isinstance(error, UnicodeEncodeError) and "surrogates" in error.reason:
        name = error.object[max(error.start - 20, 0) : error.end + 20].encode("ascii", "backslashreplace").decode()
        return f"the name of a file or folder is not UTF-8, near {name!r}: rename it"
    if isinstance(error, OSError) and error.errno == errno.EACCES and error.filename is not None:
        return f"{message_of(error)}; {access_remedy(Path(os.fsdecode(error.filename)))}"
    return message_of(error)


if __name__ == "__main__":
    main()
