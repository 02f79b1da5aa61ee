"""Runs that are to be compared: repetitions of one experiment belong together."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np

from taskscape.report.glossary import gained
from taskscape.report.run import Run, flatten
from taskscape.run_folder.result import TaskInfo, higher_is_better


@dataclass(frozen=True)
class Group:
    """Runs that differ in nothing but their seed."""

    name: str
    runs: Sequence[Run]

    @property
    def tasks(self) -> list[TaskInfo]:
        """What the runs predict."""
        return self.runs[0].result.tasks

    @property
    def single(self) -> bool:
        """Return whether the runs learnt one task alone."""
        return len(self.tasks) == 1

    def values(self, metric: str) -> list[float]:
        """Return a metric of every run that has it."""
        return [run.result.metrics[metric] for run in self.runs if metric in run.result.metrics]

    def mean(self, metric: str) -> float | None:
        """Return the mean of a metric over runs, or none where no run has it."""
        values = self.values(metric)
        return float(np.mean(values)) if values else None

    def costs(self, cost: str) -> list[float]:
        """Return a cost of every run that has it."""
        return [run.result.cost[cost] for run in self.runs if cost in run.result.cost]


def group(runs: Sequence[Run]) -> list[Group]:
    """Put runs that differ only in their seed together, in the order of the first of each."""
    names = dict(zip([run.path for run in runs], _names(runs), strict=True))
    together: dict[str, list[Run]] = {}
    for run in runs:
        settings = {key: value for key, value in run.settings.items() if key != "seed"}
        together.setdefault(json.dumps(settings, sort_keys=True, default=str), []).append(run)
    groups = [Group(_common([names[run.path] for run in members]), members) for members in together.values()]
    if len({g.name for g in groups}) < len(groups):
        groups = [Group(names[g.runs[0].path], g.runs) for g in groups]
    return groups


def _names(runs: Sequence[Run]) -> list[str]:
    """Return the folders' names, with their parents' where two are the same."""
    names = [run.name for run in runs]
    if len(set(names)) == len(names):
        return names
    return ["/".join(run.path.resolve().parts[-2:]) for run in runs]


def _common(names: Sequence[str]) -> str:
    """Return what names of repetitions have in common, without what led to their numbers."""
    if len(names) == 1:
        return names[0]
    alike = takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    shared = "".join(letters[0] for letters in alike)
    return re.sub(r"[-_. ]*(seed|run)?[-_. ]*$", "", shared) or names[0]


def differences(groups: Sequence[Group]) -> dict[str, list[str]]:
    """Return the settings, apart from the seed, in which groups differ: by dotted name, a value per group."""
    flat = [flatten(g.runs[0].settings) for g in groups]
    names = dict.fromkeys(name for settings in flat for name in settings if name != "seed")
    table = {name: [settings.get(name, "–") for settings in flat] for name in names}
    parents = {name[:i] for name in names for i, letter in enumerate(name) if letter == "."}  # none here, a dict there
    different = {name: values for name, values in table.items() if len(set(values)) > 1 and name not in parents}
    return {name: values for name, values in different.items() if not _goes_with(name, values, different)}


def _goes_with(name: str, values: Sequence[str], table: Mapping[str, Sequence[str]]) -> bool:
    """Return whether a setting differs only because what it belongs to, such as a task, is there or not."""
    if len(set(values) - {"–"}) > 1:
        return False
    owners = {f"{name[:i]}.is" for i, letter in enumerate(name) if letter == "."} - {name}
    missing = [value == "–" for value in values]
    return any([value == "–" for value in table[owner]] == missing for owner in owners & table.keys())


@dataclass(frozen=True)
class Gain:
    """Change against single-task runs, Δm."""

    percent: float
    """Mean over metrics of the relative change, signed so that worse is positive: lower is better."""
    metrics: list[str]
    """What it is the mean of."""


def baselines(groups: Iterable[Group]) -> dict[str, Group]:
    """Return the single-task runs by task: the first group of each."""
    found: dict[str, Group] = {}
    for g in groups:
        if g.single:
            found.setdefault(g.tasks[0].name, g)
    return found


def gain(group: Group, single: dict[str, Group]) -> Gain | None:
    """Return the change of a group against single-task runs, over the metrics of ``gained`` that both have.

    None for the single-task runs themselves, and where there is nothing to compare with.
    """
    if group.single:
        return None
    changes = {}
    for metric in gained({metric for run in group.runs for metric in run.result.metrics}):
        base = single.get(metric.split("/")[0])
        before, after = (base.mean(metric) if base else None), group.mean(metric)
        if before and after is not None:
            change = (after - before) / abs(before)
            changes[metric] = -change if higher_is_better(metric) else change
    return Gain(100 * float(np.mean(list(changes.values()))), list(changes)) if changes else None
