"""What differs between groups of runs besides what is compared."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from taskscape.report.groups import NO_SETTING, Group, differences, is_new
from taskscape.report.protocol import evaluated_on
from taskscape.report.run import Run
from taskscape.report.words import heading, setting_words

_COMPARED = ("network.type", "weighting.type", "objective.type")
"""Choices that comparisons are made for, besides the set of tasks."""


class Difference(NamedTuple):
    """What differs between groups."""

    compared: Sequence[str]
    """What the comparison is about, in words."""
    besides: Mapping[str, Sequence[str]]
    """What else differs, in words: a value per group. Metrics may differ because of any of it."""
    remarks: Sequence[str]
    """What else to know, such as other seeds."""

    @property
    def comparable(self) -> bool:
        """Whether a difference of metrics comes from what is compared, or from chance."""
        return not self.besides


def differ(groups: Sequence[Group]) -> Difference:
    """Return what differs between groups of runs."""
    settings = differences(groups)
    data = _data(groups)
    if not data:  # the same images, wherever they lie
        settings = {name: values for name, values in settings.items() if not name.startswith("data.")}
    new = [name for name, values in settings.items() if is_new(name, values, groups)]
    settings = {name: values for name, values in settings.items() if name not in new}
    compared = [name for name in settings if name in _COMPARED or is_task(name)] or list(settings)[:1]
    besides = {
        setting_words(name): values
        for name, values in settings.items()
        if name not in compared and not _belongs(name, values, compared)
    }
    words = dict.fromkeys("tasks" if is_task(name) else setting_words(name) for name in compared)
    return Difference(list(words), data | _training(groups) | besides, [*_earlier(new), *_seeds(groups)])


def is_task(name: str) -> bool:
    """Return whether a setting says that an experiment has a task."""
    return name.startswith("tasks.") and name.endswith(".type") and name.count(".") == 2


def _belongs(name: str, values: Sequence[str], compared: Sequence[str]) -> bool:
    """Return whether a setting is one of a choice that is compared, and other choices do not have it."""
    section = name.split(".")[0]
    return NO_SETTING in values and any(choice.split(".")[0] == section for choice in compared)


def _data(groups: Sequence[Group]) -> dict[str, list[str]]:
    """Return in which data groups differ: where they were evaluated, and where they were trained."""
    found = {}
    evaluated = [[evaluated_on(run) for run in g.runs] for g in groups]
    for key in evaluated[0][0]:
        values = [_joined(images[key] for images in of_group) for of_group in evaluated]
        if len(set(values)) > 1:
            found[f"evaluated on other {key}"] = values
    trained = [_joined(run.training_data for run in g.runs) for g in groups]
    if len(set(trained)) > 1 and "" not in trained:
        found["trained on other data"] = trained
    return found


def _training(groups: Sequence[Group]) -> dict[str, list[str]]:
    """Return how far groups were trained, where one is unfinished."""
    unfinished = [", ".join(run.unfinished for run in g.runs if run.unfinished) for g in groups]
    return {"trained": [text or "to the end" for text in unfinished]} if any(unfinished) else {}


def _earlier(new: Sequence[str]) -> list[str]:
    words = ", ".join(map(setting_words, new))
    return [f"Some of these runs were trained by a version without {words}: taken as not set."] if new else []


def _seeds(groups: Sequence[Group]) -> list[str]:
    seeds = {g.name: ", ".join(sorted(g.by_seed)) for g in groups}
    remarks = []
    if all(len(g.runs) == 1 for g in groups):
        remarks.append(
            "One seed each: how much chance changes is not known, so nothing is starred. Train each experiment with "
            "--seed 1, --seed 2 as well; runs that differ in nothing but the seed become one column."
        )
    if twice := [g.name for g in groups if len(g.by_seed) < len(g.runs)]:
        remarks.append(
            f"{', '.join(twice)}: several runs have the same seed. Each of them counts, and makes the spread smaller "
            "than it is: leave all but one out."
        )
    if len(set(seeds.values())) > 1:
        remarks.append("Seeds differ: " + "; ".join(f"{name} has {numbers}" for name, numbers in seeds.items()) + ".")
    places = {place for g in groups for run in g.runs if (place := _environment(run))}
    if len(places) > 1:
        remarks.append(f"Environments differ: {'; '.join(sorted(places))}.")
    return [heading(remark) for remark in remarks]


def _environment(run: Run) -> str:
    environment = run.result.environment
    return ", ".join(f"{key} {environment[key]}" for key in ("taskscape", "torch", "device") if key in environment)


def _joined(values: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(values))
