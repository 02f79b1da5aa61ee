"""Runs that are to be compared: repetitions of one experiment belong together."""

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
from taskscape.report.protocol import WITHOUT_EFFECT, evaluated_on, same_protocol, single_task
from taskscape.report.run import Run, flatten

NO_SETTING = "–"
"""Stands for a setting that an experiment does not have."""


@dataclass(frozen=True)
class Group:
    """Runs that differ in nothing but their seed."""

    name: str
    runs: Sequence[Run]

    @property
    def tasks(self) -> Mapping[str, Modality]:
        """What the runs predict, by task."""
        return self.runs[0].result.tasks

    @cached_property
    def specs(self) -> Mapping[str, MetricSpec]:
        """What the runs' metrics are."""
        return first_of_each(run.result.specs for run in self.runs)

    @cached_property
    def means(self) -> Mapping[str, float]:
        """The mean of each metric over the runs that have it."""
        names = dict.fromkeys(name for run in self.runs for name in run.result.metrics)
        return {name: fmean(self.values(name)) for name in names}

    @property
    def unfinished(self) -> bool:
        """Whether a run has not come to its end."""
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
        """Return a metric of every run that has it."""
        return [run.result.metrics[metric] for run in self.runs if metric in run.result.metrics]

    def costs(self, cost: str) -> list[float]:
        """Return a cost of every run that has it."""
        return [run.result.cost[cost] for run in self.runs if cost in run.result.cost]


def first_of_each(specs: Iterable[Mapping[str, MetricSpec]]) -> dict[str, MetricSpec]:
    """Return all specs by metric; where several have one of the same name, the first."""
    first: dict[str, MetricSpec] = {}
    for mapping in specs:
        for name, spec in mapping.items():
            first.setdefault(name, spec)
    return first


def group(runs: Sequence[Run]) -> list[Group]:
    """Put runs that differ only in their seed together, in the order of the first of each."""
    names = dict(zip([run.folder for run in runs], _names(runs), strict=True))
    repetitions: dict[str, list[Run]] = {}
    for run in runs:
        settings = {key: value for key, value in run.settings.items() if key not in ("seed", *WITHOUT_EFFECT)}
        key = [settings, evaluated_on(run), run.training_data]
        repetitions.setdefault(json.dumps(key, sort_keys=True, default=str), []).append(run)
    groups = [Group(_common_name([names[run.folder] for run in members]), members) for members in repetitions.values()]
    if len({g.name for g in groups}) < len(groups):
        groups = [Group(names[g.runs[0].folder], g.runs) for g in groups]
    return groups


def _names(runs: Sequence[Run]) -> list[str]:
    """Return the folders' names, with their parents' where two are the same."""
    names = [run.name for run in runs]
    if len(set(names)) == len(names):
        return names
    return ["/".join(run.folder.path.resolve().parts[-2:]) for run in runs]


def _common_name(names: Sequence[str]) -> str:
    """Return the common start of the names of repetitions, without what introduces their numbers."""
    if len(names) == 1:
        return names[0]
    same = takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    start = "".join(letters[0] for letters in same)
    return re.sub(r"[-_. ]*(seed|run)?[-_. ]*$", "", start) or names[0]


def differences(groups: Sequence[Group]) -> dict[str, list[str]]:
    """Return the settings, apart from the seed, in which groups differ: by dotted name, a value per group."""
    flat = [flatten(g.runs[0].settings) for g in groups]
    names = dict.fromkeys(name for settings in flat for name in settings if name not in ("seed", *WITHOUT_EFFECT))
    table = {name: [settings.get(name, NO_SETTING) for settings in flat] for name in names}
    # Where one experiment has null and another has nested settings, the nested settings show the difference.
    parents = {parent for name in names for parent in _parents(name)}
    different = {name: values for name, values in table.items() if len(set(values)) > 1 and name not in parents}
    return {
        name: values
        for name, values in different.items()
        if not (_follows_from_type(name, values, different) or _follows_from_classes(name, different))
    }


def is_new(name: str, values: Sequence[str], groups: Sequence[Group]) -> bool:
    """Return whether a setting is missing in some experiments because an earlier version wrote them, which had none.

    It is one of the experiment, of a section that has no types, or of a section that has the same type in all.
    """
    section, dot, _ = name.rpartition(".")
    if NO_SETTING not in values or "." in section:
        return False
    sections: list[Any] = [g.runs[0].settings.get(section) if dot else {} for g in groups]
    types = {one.get("type") if isinstance(one, dict) else NO_SETTING for one in sections}
    return len(types) == 1 and NO_SETTING not in types


def _follows_from_classes(name: str, table: Mapping[str, Sequence[str]]) -> bool:
    """Return whether a setting is the list of names or colors of a class set, whose name differs too."""
    parent, _, last = name.rpartition(".")
    return parent.endswith(".classes") and last in ("classes", "palette") and f"{parent}.name" in table


def _parents(name: str) -> list[str]:
    """Return the dotted names that contain this one: ``a`` and ``a.b`` of ``a.b.c``."""
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
    """Return the single-task groups of the same protocol as a group, by task: the first of each."""
    single: dict[str, Group] = {}
    for other in groups:
        task = single_task(other.runs[0])
        if task is not None and all(same_protocol(g.runs[0], run) for run in other.runs):
            single.setdefault(task, other)
    return single


def delta_m_of(g: Group, single: Mapping[str, Group], chosen: Sequence[str] = ()) -> DeltaM | None:
    """Return Δm of a group's mean metrics, or of those that are chosen, against the single-task groups by task.

    None for single-task runs themselves, and where a task, or one of the chosen metrics, has no single-task run.
    """
    tasks = {name.split("/")[0] for name in chosen} or g.tasks.keys()
    if g.single_task or g.unfinished or tasks - single.keys():
        return None
    reference = {
        name: value for task, s in single.items() for name, value in s.means.items() if name.startswith(f"{task}/")
    }
    return delta_m(g.means, reference, g.specs, chosen)
