"""Flags and parts of commands whose work several machines can share."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from taskscape.serialization.ranges import Count

if TYPE_CHECKING:
    from taskscape.parallel import Portion


@dataclass(frozen=True)
class Sharing:
    """How the work is divided among processes and machines; the result is the same."""

    processes: Count | None = None
    """Number of worker processes; by default one per CPU core."""
    part: str | None = None
    """Write only this part of the files, such as 3/10, so that machines that share the folders can write one part
    each. The same command without --part then writes what is missing."""
    on: Literal["local", "ray"] | None = None
    """Divide the files among workers: local processes, or the nodes of a Ray cluster, which must share the folders."""
    workers: Count | None = None
    """Number of workers of --on; by default one, or with --on ray as many as the cluster has CPUs."""
    address: str | None = None
    """Address of the Ray cluster; by default that of this machine's own cluster, which is started if necessary."""

    def portion(self) -> "Portion | None":
        """Return the part of ``--part I/N``. Raises ``ValueError`` if the flags contradict each other."""
        if self.part is not None and self.on is not None:
            raise ValueError(
                "--part is the work of one machine, and --on divides it among several: use only one of them"
            )
        if self.on is None and self.workers is not None:
            raise ValueError("--workers is for --on local and --on ray; for processes of this machine, use --processes")
        if self.on != "ray" and self.address is not None:
            raise ValueError("--address is that of a Ray cluster: add --on ray")
        from taskscape.parallel import Portion

        return None if self.part is None else Portion.parse(self.part)

    def share(self, words: Sequence[str], out: Path) -> None:
        """Run the parts of a command on the workers of ``--on``, if it is given, and wait until all are finished.

        Raises ``ValueError`` and ``TrainingError`` under the same conditions as ``taskscape.sweeps.parts``.
        """
        if self.on is None:
            return
        from taskscape.sweeps.parts import executor, run_parts

        flags = [field.name for field in fields(self)]
        run_parts(without(words, flags), out, executor(self.on, self.workers, self.address))


SharingFlags = Annotated[Sharing, tyro.conf.arg(name="")]
"""The flags of ``Sharing``, without a prefix."""


def without(words: Sequence[str], flags: Sequence[str], switches: Sequence[str] = ()) -> list[str]:
    """Return command-line arguments without these flags and their values, and without these switches."""
    remaining: list[str] = []
    skips_value = False
    for word in words:
        name = word.partition("=")[0].removeprefix("--").replace("_", "-")
        if word.startswith("--") and name in (*flags, *switches):
            skips_value = "=" not in word and name not in switches
        elif skips_value:
            skips_value = False
        else:
            remaining.append(word)
    return remaining
