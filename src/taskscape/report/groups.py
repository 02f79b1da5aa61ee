"""Groups of runs to compare: repetitions of one experiment form a group."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from statistics import fmean
from typing import Any

from taskscape.metrics.delta_m import DeltaM, delta_m
from taskscape.metrics.spec import MetricSpec
from taskscape.modalities import Modality
from taskscape.report.protocol import evaluated_on, same_protocol, single_task
from taskscape.report.run import Run
from taskscape.run_folder.settings import WITHOUT_EFFECT
from taskscape.serialization.flat import flatten

NO_SETTING = "–"
"""Placeholder for a setting that an experiment does not have."""


@dataclass(frozen=True)
class Group:
    """Runs that differ only in their seed."""

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
        """The mean of each metric over the runs that have it."""
        names = dict.fromkeys(name for run in self.runs for name in run.result.metrics)
        return {name: fmean(self.values(name)) for name in names}

    @property
    def unfinished(self) -> bool:
        """Whether any run is unfinished."""
        return any(run.unfinished for run in self.runs)

    @property
    def by_seed(self) -> dict[str, Run]:
        """The runs by their seed."""
        return {str(run.settings.get("seed")): run for run in self.runs}

    @property
    def single_task(self) -> bool:
        """Whether the runs have one task only."""
        return len(self.tasks) == 1

    def values(self, metric: str) -> list[float]:
        """Return the values of a metric, one for each run that has it."""
        return [run.result.metrics[metric] for run in self.runs if metric in run.result.metrics]

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
    """Return the folder names, with their parents if two names are the same."""
    names = [run.name for run in runs]
    if len(set(names)) == len(names):
        return names
    return ["/".join(run.folder.path.resolve().parts[-2:]) for run in runs]


def _common_name(names: Sequence[str]) -> str:
    """Return the common prefix of the names of repetitions, without a part of a number, ``-seed`` or the like."""
    if len(names) == 1:
        return names[0]
    common = takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    start = "".join(letters[0] for letters in common)
    if any(name[len(start) : len(start) + 1].isdigit() for name in names):
        start = start.rstrip("0123456789")
    return re.sub(r"[-_.,= ]*(seed|run)?[-_.,= ]*$", "", start) or names[0]


def differences(groups: Sequence[Group]) -> dict[str, list[str]]:
    """Return the settings in which groups differ, except the seed: one value per group, by dotted name."""
    flat_settings = [flatten(g.runs[0].settings) for g in groups]
    names = dict.fromkeys(
        name for settings in flat_settings for name in settings if name not in ("seed", *WITHOUT_EFFECT)
    )
    table = {name: [settings.get(name, NO_SETTING) for settings in flat_settings] for name in names}
    # If one experiment has null and another has nested settings, the nested settings show the difference.
    parents = {parent for name in names for parent in _parents(name)}
    different = {name: values for name, values in table.items() if len(set(values)) > 1 and name not in parents}
    return {
        name: values
        for name, values in different.items()
        if not (_follows_from_type(name, values, different) or _follows_from_classes(name, different))
    }


def is_new(name: str, values: Sequence[str], groups: Sequence[Group]) -> bool:
    """Return whether some experiments lack a setting because an earlier version, which did not have it, wrote them.

    Such a setting is at the top level, or in a section that has no type or the same type in all experiments.
    """
    section, dot, _ = name.rpartition(".")
    if NO_SETTING not in values or "." in section:
        return False
    sections: list[Any] = [g.runs[0].settings.get(section) if dot else {} for g in groups]
    types = {settings.get("type") if isinstance(settings, dict) else NO_SETTING for settings in sections}
    return len(types) == 1 and NO_SETTING not in types


def _follows_from_classes(name: str, table: Mapping[str, Sequence[str]]) -> bool:
    """Return whether a setting is the list of names or colors of a class set with a differing name."""
    parent, _, last = name.rpartition(".")
    return parent.endswith(".classes") and last in ("classes", "palette") and f"{parent}.name" in table


def _parents(name: str) -> list[str]:
    """Return the dotted names of all parents: ``a`` and ``a.b`` for ``a.b.c``."""
    return [name[:i] for i, letter in enumerate(name) if letter == "."]


def _follows_from_type(name: str, values: Sequence[str], table: Mapping[str, Sequence[str]]) -> bool:
    """Return whether a setting differs only because its parent, such as a task, is missing in some experiments."""
    if len(set(values) - {NO_SETTING}) > 1:
        return False
    missing = [value == NO_SETTING for value in values]
    types = [f"{parent}.type" for parent in _parents(name)]
    return any(
        type_ in table and type_ != name and [value == NO_SETTING for value in table[type_]] == missing
        for type_ in types
    )


def single_task_groups(g: Group, groups: Iterable[Group]) -> dict[str, Group]:
    """Return the first single-task group of the same protocol for each task of a group."""
    single: dict[str, Group] = {}
    for other in groups:
        task = single_task(other.runs[0])
        if task is not None and all(same_protocol(g.runs[0], run) for run in other.runs):
            single.setdefault(task, other)
    return single


def delta_m_of(g: Group, single: Mapping[str, Group], chosen: Sequence[str] = ()) -> DeltaM | None:
    """Return Δm of a group's mean metrics, or of the chosen ones, against the single-task group of each task.

    Returns None for single-task and unfinished groups, and if a task or a chosen metric has no single-task run.
    """
    tasks = {name.split("/")[0] for name in chosen} or g.tasks.keys()
    if g.single_task or g.unfinished or tasks - single.keys():
        return None
    reference = {
        name: value for task, s in single.items() for name, value in s.means.items() if name.startswith(f"{task}/")
    }
    return delta_m(g.means, reference, g.specs, chosen)
