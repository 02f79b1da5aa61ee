"""Arguments, checks and messages shared by several commands."""

import shlex
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import tyro

from taskscape.errors import Interrupted

TtaAs = Annotated[
    str | None,
    tyro.conf.arg(
        metavar="WORD",
        help="Kind of test-time augmentation: mirror, scales-3 (0.75 1 1.25), scales-3-max, scales-5 (0.5 … 1.5), "
        "scales-5-max, or a custom one, such as 0.75-1-1.25-mirror-max.",
    ),
]

Device = Annotated[
    str, tyro.conf.arg(help="Device to compute on: auto (a GPU if there is one), cpu, cuda, cuda:1 or mps.")
]

Run = Annotated[Path, tyro.conf.arg(metavar="RUN", help="Run folder.")]
"""A positional argument."""


def chosen_tta(tta: bool, tta_as: str | None) -> bool | str:
    """Return the test-time augmentation chosen by two flags, in the form used in results and file names.

    Raises ``ValueError`` under the same conditions as ``find_tta``.
    """
    if tta_as in (None, "mirror"):
        return tta or tta_as is not None
    from taskscape.evaluation import find_tta

    augmentation = find_tta(tta_as)
    assert augmentation is not None
    return augmentation.word == "mirror" or augmentation.word


def require_run(run: Path) -> None:
    """Raise ``FileNotFoundError`` if a folder holds no run. Called before slow imports.

    Raises ``ValueError`` for the name of a released model, whose folder must not be written to.
    """
    from taskscape import released
    from taskscape.run_folder.names import RunFolder

    if not run.exists() and run.as_posix() in released.names():
        copy = run.name
        raise ValueError(
            f"{run.as_posix()} is part of the package, and this command needs a folder of your own: copy it with "
            f"taskscape pull {run.as_posix()} --out {copy}, and name {copy}"
        )
    RunFolder(run).require()


def require_model(model: Path, tasks: Sequence[str] = ()) -> None:
    """Raise ``FileNotFoundError`` or ``ValueError`` unless this is a run folder or a model's name, with these tasks.

    Called before slow imports. The tasks of a model on the hub are unknown then.
    """
    from taskscape import released
    from taskscape.run_folder.names import RunFolder
    from taskscape.serialization import nearest
    from taskscape.serialization.plain import read_yaml

    folder = RunFolder(model)
    if released.is_name(model):
        if model.as_posix() not in released.names():
            return
        folder = RunFolder(released.find(model.as_posix()))
    folder.require()
    settings = read_yaml(folder.experiment) if tasks else None
    known = settings.get("tasks", {}) if isinstance(settings, dict) else tasks
    for name in tasks:
        if name not in known:
            raise ValueError(f"--tasks: the network has no task {name!r}{nearest(name, known)}")


def require_usable(out: Path, what: str, device: str = "auto") -> None:
    """Raise ``ValueError`` if ``out``, a folder for ``what``, cannot be written, or if a device is misspelled."""
    from taskscape.devices import check_device_name
    from taskscape.files.paths import require_writable

    require_writable(out, what)
    check_device_name(device)


def require_store(flag: str, folder: Path | None) -> None:
    """Raise ``FileNotFoundError`` or ``ValueError`` with the flag if its folder is not a store."""
    from taskscape.data import place

    try:
        if folder is not None:
            place.require_store(folder)
    except (FileNotFoundError, ValueError) as error:
        raise type(error)(f"--{flag}: {error}") from None


def show_command(store: Path) -> str:
    """Return the command that shows a store, for use in messages."""
    return shlex.join(["taskscape", "data", "show", str(store)])


@contextmanager
def if_interrupted(kept: str) -> Iterator[None]:
    """On Ctrl-C or SIGTERM, end with a message of what is kept and how to continue."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        stopped = str(interrupt) or "stopped"
        signum = interrupt.signum if isinstance(interrupt, Interrupted) else signal.SIGINT
        raise Interrupted(f"{stopped}; {kept}", signum) from None


@contextmanager
def printed_warnings() -> Iterator[None]:
    """Print each warning about the user's files on a line of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = lambda message, *_, **__: print(f"warning: {message}", file=sys.stderr)
        yield
