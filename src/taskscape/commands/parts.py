"""Flags and parts of commands whose work several machines can share."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from taskscape.parallel import Portion

On = Literal["local", "ray"]

SHARING = ("part", "on", "workers", "address", "processes")
"""Flags that distribute the work, without changing its result."""


def portion_of(part: str | None, on: On | None, workers: int | None, address: str | None) -> "Portion | None":
    """Return the part of ``--part I/N``. Raises ``ValueError`` if the flags contradict each other."""
    if part is not None and on is not None:
        raise ValueError("--part is the work of one machine, and --on divides it among several: use only one of them")
    if on is None and workers is not None:
        raise ValueError("--workers is for --on local and --on ray; for processes of this machine, use --processes")
    if on != "ray" and address is not None:
        raise ValueError("--address is that of a Ray cluster: add --on ray")
    from taskscape.parallel import Portion

    return None if part is None else Portion.parse(part)


def share(words: Sequence[str], out: Path, on: On, workers: int | None, address: str | None) -> None:
    """Run the parts of a command in processes of this machine or on a Ray cluster, and wait until all are finished.

    Raises ``ValueError`` and ``TrainingError`` under the same conditions as ``taskscape.sweeps.parts``.
    """
    from taskscape.sweeps.parts import executor, run_parts

    run_parts(without(words, SHARING), out, executor(on, workers, address))


def without(words: Sequence[str], flags: Sequence[str], switches: Sequence[str] = ()) -> list[str]:
    """Return command-line arguments without these flags and their values, and without these switches."""
    remaining: list[str] = []
    skips_value = False
    for word in words:
        name = word.partition("=")[0].removeprefix("--")
        if word.startswith("--") and name in (*flags, *switches):
            skips_value = "=" not in word and name not in switches
        elif skips_value:
            skips_value = False
        else:
            remaining.append(word)
    return remaining
