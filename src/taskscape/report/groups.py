"""Groups of runs to compare: repetitions of one experiment form a group."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, takewhile
from statistics import fmean

from taskscape.metrics.spec import MetricSpec
from taskscape.modalities import Modality
from taskscape.report.protocol import evaluated_on
from taskscape.report.run import Run
from taskscape.run_folder.settings import WITHOUT_EFFECT


@dataclass(frozen=True)
class Group:
    """Runs that differ at most in their seed."""

    name: str
    runs: Sequence[Run]

    @property
    def tasks(self) -> Mapping[str, Modality]:
        """The modality of each task."""
        return self.runs[0].result.tasks

    @cached_property
    def specs(self) -> Mapping[str, MetricSpec]:
        """The specs of the runs' metrics."""
        return first_of_each(run.result.specs for run in self.runs)

    @cached_property
    def means(self) -> Mapping[str, float]:
        """The mean of each metric over the seeds that have it."""
        names = dict.fromkeys(name for run in self.runs for name in run.result.metrics)
        return {name: fmean(self.values(name)) for name in names}

    @property
    def unfinished(self) -> bool:
        """Whether any run is unfinished."""
        return any(run.unfinished for run in self.runs)

    @cached_property
    def by_seed(self) -> Mapping[str, Mapping[str, float]]:
        """The metrics by seed; of several runs with one seed, their means."""
        runs: dict[str, list[Mapping[str, float]]] = {}
        for run in self.runs:
            runs.setdefault(str(run.settings.get("seed")), []).append(run.result.metrics)
        return {
            seed: {name: fmean(m[name] for m in metrics if name in m) for name in dict.fromkeys(chain(*metrics))}
            for seed, metrics in runs.items()
        }

    @property
    def single_task(self) -> bool:
        """Whether the runs have one task only."""
        return len(self.tasks) == 1

    def values(self, metric: str) -> list[float]:
        """Return the values of a metric, one for each seed that has it."""
        return [metrics[metric] for metrics in self.by_seed.values() if metric in metrics]

    def costs(self, cost: str) -> list[float]:
        """Return the values of a cost, one for each run that has it."""
        return [run.result.cost[cost] for run in self.runs if cost in run.result.cost]


def first_of_each(specs: Iterable[Mapping[str, MetricSpec]]) -> dict[str, MetricSpec]:
    """Return all specs by metric; the first one where several mappings have the same metric."""
    first: dict[str, MetricSpec] = {}
    for mapping in specs:
        for name, spec in mapping.items():
            first.setdefault(name, spec)
    return first


def group(runs: Sequence[Run]) -> list[Group]:
    """Group runs that differ only in their seed; groups are in the order of their first runs."""
    names = dict(zip([run.folder for run in runs], _names(runs), strict=True))
    repetitions: dict[str, list[Run]] = {}
    for run in runs:
        settings = {key: value for key, value in run.settings.items() if key not in ("seed", *WITHOUT_EFFECT)}
        key = [settings, run.code, evaluated_on(run), run.training_data]
        repetitions.setdefault(json.dumps(key, sort_keys=True, default=str), []).append(run)
    groups = [Group(_common_name([names[run.folder] for run in members]), members) for members in repetitions.values()]
    if len({g.name for g in groups}) < len(groups):
        groups = [Group(names[g.runs[0].folder], g.runs) for g in groups]
    return groups


def _names(runs: Sequence[Run]) -> list[str]:
    """Return the folder names, with as many of their parents as it takes to tell all folders apart."""
    paths = [run.folder.path.resolve().parts for run in runs]
    for depth in range(1, max(map(len, paths))):
        names = ["/".join(parts[-depth:]) for parts in paths]
        if len(set(names)) == len(names):
            break
    return names


def _common_name(names: Sequence[str]) -> str:
    """Return the common prefix of the names of repetitions, without a part of a number, ``-seed`` or the like."""
    if len(names) == 1:
        return names[0]
    common = takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    start = "".join(letters[0] for letters in common)
    if any(name[len(start) : len(start) + 1].isdigit() for name in names):
        start = start.rstrip("0123456789")
    return re.sub(r"[-_.,= ]*(seed|run)?[-_.,= ]*$", "", start) or names[0]
