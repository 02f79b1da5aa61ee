"""Differences between groups of runs: those that are compared, and all others."""

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

from taskscape.data import MixedPart
from taskscape.report.comparison.settings import differences, is_new
from taskscape.report.groups import Group
from taskscape.report.protocol import UNKNOWN, evaluated_on
from taskscape.report.run import Run
from taskscape.report.words import MISSING, heading, setting_words

_COMPARED = ("network.type", "weighting.type", "objective.type")
"""Settings that comparisons are usually about, besides the set of tasks."""


class Difference(NamedTuple):
    """The differences between groups."""

    compared: Sequence[str]
    """Names of the settings that the comparison is about."""
    besides: Mapping[str, Sequence[str]]
    """Everything else that differs, by name: one value per group. Any of it may explain differences of metrics."""
    remarks: Sequence[str]
    """Further remarks, such as on different seeds."""

    @property
    def comparable(self) -> bool:
        """Whether metrics can differ only because of the compared settings, or by chance."""
        return not self.besides


def differ(groups: Sequence[Group]) -> Difference:
    """Return the differences between groups of runs."""
    settings = differences(groups)
    data = _data_differences(groups)
    if not data and all(run.training_data for g in groups for run in g.runs):  # the same images, wherever they are
        settings = {name: v for name, v in settings.items() if not name.startswith("data.") or _changes_mix(name, v)}
    new_settings = [name for name, values in settings.items() if is_new(name, values, groups)]
    settings = {name: values for name, values in settings.items() if name not in new_settings}
    compared = [name for name in settings if name in _COMPARED or is_task(name)] or list(settings)[:1]
    besides = {
        setting_words(name): values
        for name, values in settings.items()
        if name not in compared and not _belongs_to_compared(name, values, {key: settings[key] for key in compared})
    }
    words = dict.fromkeys("tasks" if is_task(name) else setting_words(name) for name in compared)
    return Difference(
        list(words),
        data | _training_progress(groups) | _code_differences(groups) | besides,
        [*_outdated(groups), *_version_remarks(new_settings), *_seed_and_environment_remarks(groups)],
    )


def _changes_mix(name: str, values: Sequence[str]) -> bool:
    """Return whether a setting of the data decides how many images of each of several stores are drawn."""
    if name == "data.parts" and MISSING not in values:
        return len({_shares(parts) for parts in values}) > 1
    return name == "data.images"


def _shares(parts: str) -> tuple[float, ...]:
    """Return the share of each part of mixed data, from the text of the setting."""
    return tuple(MixedPart.parse(part).share for part in json.loads(parts))


def is_task(name: str) -> bool:
    """Return whether a setting is the type of a task, which every task has."""
    return name.startswith("tasks.") and name.endswith(".type") and name.count(".") == 2


def _belongs_to_compared(name: str, values: Sequence[str], compared: Mapping[str, Sequence[str]]) -> bool:
    """Return whether a setting exists only for some of the compared choices, such as one of a network type.

    It does not if groups with different choices have it too, with different values: then it may explain a difference
    between them, even if a third group lacks it.
    """
    section = name.split(".")[0]
    choices = [chosen for choice, chosen in compared.items() if choice.split(".")[0] == section]
    if MISSING not in values or not choices:
        return False
    with_setting = [(chosen, value) for *chosen, value in zip(*choices, values, strict=True) if value != MISSING]
    return all(a[0] == b[0] or a[1] == b[1] for a, b in combinations(with_setting, 2))


def _data_differences(groups: Sequence[Group]) -> dict[str, list[str]]:
    """Return the differences in the data that groups were evaluated and trained on."""
    differing = {}
    evaluated = [[evaluated_on(run) for run in g.runs] for g in groups]
    for key in evaluated[0][0]:
        values = [_joined(conditions[key] for conditions in group_conditions) for group_conditions in evaluated]
        if len(set(values)) > 1:
            differing[f"evaluated on different {key}"] = values
    trained = [_joined(run.training_data or UNKNOWN for run in g.runs) for g in groups]
    if len(set(trained)) > 1:
        differing["trained on different data"] = trained
    return differing


def _code_differences(groups: Sequence[Group]) -> dict[str, list[str]]:
    """Return the users' files, with the start of their checksums, that differ between groups that need them."""
    codes = [g.runs[0].code for g in groups]
    files = dict.fromkeys(file for code in codes for file in code)
    table = {file: [code[file][:8] if file in code else MISSING for code in codes] for file in files}
    return {f"code of {file}": values for file, values in table.items() if len({*values} - {MISSING}) > 1}


def _training_progress(groups: Sequence[Group]) -> dict[str, list[str]]:
    """Return how far groups were trained, if any is unfinished."""
    unfinished = [", ".join(run.unfinished for run in g.runs if run.unfinished) for g in groups]
    return {"trained": [text or "to the end" for text in unfinished]} if any(unfinished) else {}


def _outdated(groups: Sequence[Group]) -> list[str]:
    return [run.outdated for g in groups for run in g.runs if run.outdated]


def _version_remarks(new_settings: Sequence[str]) -> list[str]:
    words = ", ".join(map(setting_words, new_settings))
    return (
        [f"Some of these runs were trained by a version without {words}, which counts as not set."]
        if new_settings
        else []
    )


def _seed_and_environment_remarks(groups: Sequence[Group]) -> list[str]:
    seeds = {g.name: ", ".join(sorted(g.by_seed)) for g in groups}
    remarks = []
    if all(len(g.by_seed) == 1 for g in groups):
        remarks.append(
            "One seed each: the effect of chance is unknown, so nothing is starred. Train each experiment with "
            "--seed 1 and --seed 2 as well; runs that differ only in their seed become one column."
        )
    if repeated := [g.name for g in groups if len(g.by_seed) < len(g.runs)]:
        remarks.append(
            f"{', '.join(repeated)}: several runs have the same seed. They count as one run with their mean, since "
            "the spread over seeds is larger than that of repetitions with one seed."
        )
    if len(set(seeds.values())) > 1:
        remarks.append("Seeds differ: " + "; ".join(f"{name} has {numbers}" for name, numbers in seeds.items()) + ".")
    environments = {environment for g in groups for run in g.runs if (environment := _environment(run))}
    if len(environments) > 1:
        remarks.append(f"Environments differ: {'; '.join(sorted(environments))}.")
    return [heading(remark) for remark in remarks]


def _environment(run: Run) -> str:
    environment = run.result.environment
    return ", ".join(f"{key} {environment[key]}" for key in ("taskscape", "torch", "device") if key in environment)


def _joined(values: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(values))
