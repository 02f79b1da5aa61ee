"""The command ``taskscape``: finds the command's file in ``commands/``, and turns errors into one message."""

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
from taskscape.errors import Interrupted, TrainingError, stopping_signals
from taskscape.serialization import nearest


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command, which may follow a ``--`` that keeps a launcher such as torchrun from reading its flags.

    Ends the process: 0 done, 1 training failed, 2 wrong input, 130 stopped by Ctrl-C, 143 by SIGTERM,
    129 by SIGHUP.
    """
    if arguments is None:
        _open_closed_streams()
        _start_again_in_utf_8()
    _replace_characters()
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    if arguments[:1] == ["--"]:
        del arguments[0]
    try:
        with _terminations_raised():
            # What the shell asks to complete may hold any flag, unfinished.
            _run(arguments if arguments[:1] == ["completion"] else _threads_used(_verbosity_used(arguments)))
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of the output has gone. The interpreter flushes once more at its end, which must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt as interrupt:
        _complain(str(interrupt) or "stopped")
        sys.exit(128 + (interrupt.signum if isinstance(interrupt, Interrupted) else signal.SIGINT))
    except Exception as error:
        code = _exit_code(error)
        if debug or code is None:
            raise
        _complain(f"[bold red]error:[/] {_escaped(error)}")
        sys.exit(code)


def _open_closed_streams() -> None:
    """Let what the shell closed (``>&-``) lead nowhere: the next file that is opened would take its place."""
    for number, (name, mode) in enumerate({"stdin": "r", "stdout": "w", "stderr": "w"}.items()):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


def _start_again_in_utf_8() -> None:
    """Let Python read the names of files as UTF-8 in every locale, as what is written in files is read.

    The terminal keeps its encoding. Nothing happens where names are UTF-8 already, as nearly everywhere.
    """
    if sys.getfilesystemencoding().lower() != "utf-8" and os.name == "posix":
        terminal = os.environ.get("PYTHONIOENCODING") or f"{sys.stdout.encoding}:replace"
        environment = {**os.environ, "PYTHONUTF8": "1", "PYTHONIOENCODING": terminal}
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


def _replace_characters() -> None:
    """Print what the terminal's encoding lacks as "?" instead of ending in an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _verbosity_used(arguments: list[str]) -> list[str]:
    """Follow ``--quiet`` and ``--verbose``, flags of every command, and return the other arguments."""
    levels = {"--quiet": logging.WARNING, "--verbose": logging.DEBUG}
    given = [argument for argument in arguments if argument in levels]
    if len(set(given)) > 1:
        raise ValueError("--quiet and --verbose exclude each other: leave one out")
    from taskscape import logs

    logs.show_from(levels[given[0]] if given else logging.INFO)
    return [argument for argument in arguments if argument not in levels]


def _threads_used(arguments: list[str]) -> list[str]:
    """Compute with ``--threads N``, a flag of every command, and return the other arguments. Raises ``ValueError``."""
    places = [i for i, argument in enumerate(arguments) if argument.partition("=")[0] == "--threads"]
    if not places:
        return arguments
    if len(places) > 1:
        raise ValueError("--threads is given twice: leave one out")
    at = places[0]
    _, equals, number = arguments[at].partition("=")
    value = number if equals else "".join(arguments[at + 1 : at + 2])
    if not (value.isdecimal() and int(value)):
        raise ValueError(f"--threads {value or 'without a number'}: give the number of CPU cores to use, 1 or more")
    from taskscape.parallel import use_threads

    use_threads(int(value))
    return arguments[:at] + arguments[at + 1 + (not equals) :]


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
        importlib.import_module(f"taskscape.commands.{name}").main(rest)
    else:
        raise ValueError(f"there is no command {name!r}{nearest(name, [*COMMANDS, '--help', '--version'])}")


@contextmanager
def _terminations_raised() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end a command as Ctrl-C does: workers end, locks are given up and the user is told."""
    if threading.current_thread() is not threading.main_thread():  # Python lets no other thread handle signals
        yield
        return
    before = {number: signal.signal(number, _terminate) for number in stopping_signals() if number != signal.SIGINT}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _terminate(signum: int, frame: FrameType | None) -> None:
    raise Interrupted(f"stopped by {signal.Signals(signum).name}", signum)


def _print_help() -> None:
    from taskscape.commands.layout import filled, names

    print("Networks that predict several dense things from one image.\n\nusage: taskscape COMMAND ...\n")
    print("\n".join(names({f"  {name}": text for name, text in COMMANDS.items()})))
    print("\ntaskscape COMMAND --help describes one.")
    print(
        filled(
            "--version prints the version. With any command, --threads N is the number of CPU cores to use, --quiet "
            "prints results and warnings only, --verbose details, and --debug shows where an error comes from."
        )
    )


def _exit_code(error: Exception) -> int | None:
    """Return the exit code of an error that the user can fix, None for a mistake of the program."""
    if isinstance(error, ValueError | OSError):
        return 2
    return 1 if isinstance(error, TrainingError) or _is_of_memory(error) else None


def _is_of_memory(error: Exception) -> bool:
    """Return whether there was not enough memory: of Python, or as torch says it, without torch."""
    if isinstance(error, MemoryError):
        return True
    said = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, RuntimeError) and any(words in str(error) for words in said)


def _complain(text: str) -> None:
    from rich.console import Console

    Console(stderr=True, highlight=False, soft_wrap=True).print(text)


def _escaped(error: Exception) -> str:
    from rich.markup import escape

    from taskscape.files.paths import printable
    from taskscape.serialization import place_of

    words, place = _in_words(error) or type(error).__name__, place_of(error)
    return escape(printable(f"{words} ({place})" if place else words))


def _in_words(error: Exception) -> str:
    """Return the message of an error; the operating system's without its number, but with its file and what helps."""
    from taskscape.files.paths import access_remedy

    if _is_of_memory(error):
        said = re.search(r"ried to allocate [\d.]+ \w+", str(error))
        return (
            f"there is not enough memory{f' (t{said[0]})' if said else ''}: take smaller images or batches; train has "
            "--batch-size and --recompute-activations for this, predict --height and --tiles"
        )
    if isinstance(error, UnicodeEncodeError) and "surrogates" in error.reason:
        name = error.object[max(error.start - 20, 0) : error.end + 20].encode("ascii", "backslashreplace").decode()
        return f"the name of a file or folder is not UTF-8, near {name!r}: rename it"
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error)
    if error.filename is None:  # raised by the package, which names the file in its sentence
        return error.strerror
    files = " and ".join(str(file) for file in (error.filename, error.filename2) if file is not None)
    remedy = f"; {access_remedy(Path(os.fsdecode(error.filename)))}" if error.errno == errno.EACCES else ""
    return f"{files}: {error.strerror}{remedy}"


if __name__ == "__main__":
    main()
