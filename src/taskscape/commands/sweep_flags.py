"""The flags of ``taskscape sweep`` that are its own, beside those of the recipe's settings."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from taskscape.commands.arguments import read
from taskscape.commands.kinds import arity, is_switch, metavar
from taskscape.commands.layout import line
from taskscape.commands.settings import Setting, nodes


def _shown(name: str) -> Any:
    return tyro.conf.arg(metavar=name)


@dataclass(frozen=True)
class Options:
    """How to run a sweep."""

    out: Annotated[Path | None, _shown("SWEEP")] = None
    """Folder of the sweep; by default sweeps/RECIPE-N. It has a run folder per run, index.html, results.csv and
    results.json."""
    seeds: Annotated[tuple[int, ...], _shown("SEED ...")] = ()
    """Train each setting with these seeds; means and deviations are over them."""
    search: Annotated[int | None, _shown("N")] = None
    """Let Optuna propose N runs instead of a grid; --optimizer.lr 1e-5..1e-2 is a range. Runs that are worse than most
    after an epoch are ended early. Compared is the metric of --monitor."""
    storage: Annotated[str | None, _shown("URL")] = None
    """Keep the search in this database, such as sqlite:///sweep.db; by default in a file of the sweep."""
    workers: Annotated[int | None, _shown("N")] = None
    """Runs at a time; by default one per GPU. The threads are shared among them."""
    on: Annotated[Literal["local", "ray"], _shown("ray")] = "local"
    """Train on a Ray cluster, whose nodes share the file system: a GPU per run, where there are GPUs."""
    address: Annotated[str | None, _shown("ADDRESS")] = None
    """The cluster's address; by default that of the machine's own cluster, started where there is none."""
    gpus_per_run: Annotated[float, _shown("N")] = 1.0
    """GPUs of each run: 0.5 lets two runs share one, 2 takes two of a Ray cluster. By default 1."""
    stack: Annotated[int | None, _shown("N")] = None
    """Train up to N runs of a worker at once, as one network with N sets of weights, where they differ in seed, weights
    of tasks, learning rate and the like: for small networks on a GPU."""
    plan: bool = False
    """Write the folders of a grid, and run nothing: for a scheduler of yours."""

    def check(self) -> None:
        """Raise ``ValueError`` where options do not fit each other."""
        if self.gpus_per_run < 0:
            raise ValueError(f"--gpus-per-run {self.gpus_per_run:g}: it must be 0 or more")
        if self.address is not None and self.on != "ray":
            raise ValueError("--address is that of a Ray cluster: add --on ray")
        if self.storage is not None and self.search is None:
            raise ValueError("--storage is for a search: add --search N")
        self._check_stack()
        self._check_search()

    def _check_stack(self) -> None:
        if self.stack is None:
            return
        if self.stack < 2:
            raise ValueError(f"--stack {self.stack}: it must be 2 or more")
        for flag, is_given in (("search", self.search is not None), ("plan", self.plan)):
            if is_given:
                raise ValueError(f"--stack trains runs of a grid at once, and --{flag} has them begin one by one")
        if self.on == "ray":
            raise ValueError("--stack trains runs at once on this machine: leave out --on ray, or --stack")

    def _check_search(self) -> None:
        if self.search is None:
            return
        if self.search < 1:
            raise ValueError(f"--search {self.search}: it must be 1 or more")
        if self.plan:
            raise ValueError("--plan is for a grid: a search chooses its runs one after the other")
        if len(self.seeds) > 1:
            raise ValueError("a search takes one seed; train its best settings with several afterwards")


EXECUTION = ("workers", "on", "address", "gpus-per-run", "stack")
"""The flags that say how a sweep is run and not what it is, so that they may differ when it is resumed."""

_SETTINGS = [one for one in nodes(Options()) if isinstance(one, Setting)]

AXIS = "axis"

OWN: Mapping[str, int | None] = {
    **{one.flag: 0 if is_switch(one.kind) else arity(one.kind)[1] for one in _SETTINGS},
    AXIS: None,
    "resume": 1,
}
"""The sweep's own flags with how many words follow each; None for any number."""


def parse_options(own: Mapping[str, Sequence[str]]) -> Options:
    """Return the options of the sweep's own flags. Raises ``ValueError`` for words that are no values of them."""
    flags = [word for flag, words in own.items() if not flag.startswith(AXIS) for word in (f"--{flag}", *words)]
    words = read(flags, _SETTINGS).words
    return tyro.cli(Options, args=words, prog="taskscape sweep", add_help=False)


def flag_lines() -> Iterator[str]:
    """Return what the page of help says of the flags."""
    for one in _SETTINGS:
        yield from line(f"--{one.flag} {metavar(one.kind)}".rstrip(), one.text)
        if one.flag == "seeds":
            yield from line(
                f'--{AXIS} "ARGUMENTS" ...',
                f'Settings that vary together: --{AXIS} "--batch-size 4 --epochs 8" "--batch-size 8 --epochs 16".',
            )
