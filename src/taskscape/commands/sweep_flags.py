"""The flags of ``taskscape sweep`` itself, in addition to those of the recipe's settings."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from taskscape.commands.arguments import read
from taskscape.commands.kinds import arity, is_switch, metavar
from taskscape.commands.layout import line
from taskscape.commands.settings import Setting, nodes
from taskscape.serialization.ranges import MOST, Count, NonNegative, Range, Seed
from taskscape.sweeps.extras import require_optuna, require_ray


def _metavar(name: str) -> Any:
    return tyro.conf.arg(metavar=name)


@dataclass(frozen=True)
class Options:
    """How to run a sweep."""

    out: Annotated[Path | None, _metavar("SWEEP")] = None
    """Folder of the sweep; by default sweeps/RECIPE-N. It has a run folder for each run, index.html, results.csv and
    results.json."""
    seeds: Annotated[tuple[Seed, ...], _metavar("SEED ...")] = ()
    """Train each setting with each of these seeds, and report means and standard deviations over the seeds."""
    search: Annotated[Count | None, _metavar("N")] = None
    """Let Optuna propose N runs instead of a grid; --optimizer.lr 1e-5..1e-2 is a range. Runs that are worse than most
    after an epoch are stopped early. Runs are compared by the metric of --monitor."""
    storage: Annotated[str | None, _metavar("URL")] = None
    """Database of the search, such as sqlite:///sweep.db; by default a file in the folder of the sweep."""
    workers: Annotated[Count | None, _metavar("N")] = None
    """Number of runs at a time; by default one per GPU. They share the threads."""
    on: Annotated[Literal["local", "ray"], _metavar("ray")] = "local"
    """Train on a Ray cluster whose nodes share the file system, with one GPU per run if there are GPUs."""
    address: Annotated[str | None, _metavar("ADDRESS")] = None
    """Address of the Ray cluster; by default that of this machine's own cluster, which is started if necessary."""
    gpus_per_run: Annotated[NonNegative, _metavar("N")] = 1.0
    """GPUs per run: with 0.5 two runs share a GPU, with 2 a run uses two GPUs of a Ray cluster. By default 1."""
    stack: Annotated[Annotated[int, Range(least=2, most=MOST)] | None, _metavar("N")] = None
    """Train up to N runs of a worker at once, as one network with N sets of weights. The runs may differ in seed, task
    weights, learning rate and the like. Useful for small networks on a GPU."""
    plan: bool = False
    """Only write the run folders of a grid, for use with your own scheduler."""

    def check(self) -> None:
        """Raise ``ValueError`` if options contradict each other."""
        if self.address is not None and self.on != "ray":
            raise ValueError("--address is that of a Ray cluster: add --on ray")
        if self.storage is not None and self.search is None:
            raise ValueError("--storage is for a search: add --search N")
        self._check_stack()
        self._check_search()
        if self.on == "ray":
            require_ray()

    def _check_stack(self) -> None:
        if self.stack is None:
            return
        for flag, is_given in (("search", self.search is not None), ("plan", self.plan)):
            if is_given:
                raise ValueError(f"--stack trains runs of a grid at once, but with --{flag} runs start one by one")
        if self.on == "ray":
            raise ValueError("--stack trains runs at once on this machine: leave out --on ray, or --stack")

    def _check_search(self) -> None:
        if self.search is None:
            return
        if self.plan:
            raise ValueError("--plan is for a grid: a search chooses its runs one after the other")
        if len(self.seeds) > 1:
            raise ValueError("a search takes one seed; train its best settings with several afterwards")
        require_optuna()


EXECUTION = ("workers", "on", "address", "gpus-per-run", "stack")
"""Flags that determine how a sweep is executed, but not its results. They may change when it is resumed."""

_SETTINGS = [setting for setting in nodes(Options()) if isinstance(setting, Setting)]

AXIS = "axis"

OWN: Mapping[str, int | None] = {
    **{setting.flag: 0 if is_switch(setting.kind) else arity(setting.kind)[1] for setting in _SETTINGS},
    AXIS: None,
    "resume": 1,
}
"""The flags of ``taskscape sweep`` itself, with the number of their values; None for any number."""


def parse_options(own: Mapping[str, Sequence[str]]) -> Options:
    """Parse the flags of ``taskscape sweep`` itself. Raises ``ValueError`` for invalid values."""
    flags = [word for flag, words in own.items() if not flag.startswith(AXIS) for word in (f"--{flag}", *words)]
    words = read(flags, _SETTINGS).words
    return tyro.cli(Options, args=words, prog="taskscape sweep", add_help=False)


def flag_lines() -> Iterator[str]:
    """Yield the lines of the help about the flags of ``taskscape sweep`` itself."""
    for setting in _SETTINGS:
        yield from line(f"--{setting.flag} {metavar(setting.kind)}".rstrip(), setting.text)
        if setting.flag == "seeds":
            yield from line(
                f'--{AXIS} "ARGUMENTS" ...',
                f'Settings that vary together: --{AXIS} "--batch-size 4 --epochs 8" "--batch-size 8 --epochs 16".',
            )
