"""Δm against single-task runs of the same protocol."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from html import escape
from statistics import stdev
from typing import NamedTuple

from taskscape.metrics.delta_m import DeltaM, delta_m
from taskscape.report.columns import NO_BREAK_SPACE, row
from taskscape.report.comparison.runs import Comparison
from taskscape.report.glossary import signed
from taskscape.report.groups import Group
from taskscape.report.html import folded
from taskscape.report.protocol import same_protocol, similarity, single_task
from taskscape.report.words import MISSING, task_word


def single_task_groups(g: Group, groups: Iterable[Group]) -> dict[str, Group]:
    """Return the single-task group of the same protocol for each task of a group.

    If there are several, it is the one with the most similar network, and else the first.
    """
    candidates: dict[str, list[Group]] = {}
    for other in groups:
        task = single_task(other.runs[0])
        if task is not None and all(same_protocol(g.runs[0], run) for run in other.runs):
            candidates.setdefault(task, []).append(other)
    return {
        task: max(others, key=lambda other: similarity(g.runs[0], other.runs[0])) for task, others in candidates.items()
    }


def delta_m_of(g: Group, single: Mapping[str, Group], chosen: Sequence[str] = ()) -> DeltaM | None:
    """Return Δm of a group's mean metrics, or of the chosen ones, against the single-task group of each task.

    Returns None for single-task and unfinished groups, and if a task or a chosen metric has no single-task run.
    """
    if g.single_task or g.unfinished or set(_tasks_of(g, chosen)) - single.keys():
        return None
    return delta_m(g.means, _reference(single), g.specs, chosen)


class _Against(NamedTuple):
    """A group, the single-task group of the same protocol for each of its tasks, and its Δm against these."""

    group: Group
    single: Mapping[str, Group]
    change: DeltaM | None


def _against(compared: Comparison) -> list[_Against]:
    found = []
    for g in compared.groups:
        single = single_task_groups(g, compared.groups)
        found.append(_Against(g, single, delta_m_of(g, single, compared.delta_m_metrics)))
    return found


def delta_m_row(compared: Comparison) -> list[str]:
    """Return the row of Δm; no row if no group has a Δm."""
    cells = list(map(_delta_m_cell, delta_m_changes(compared), delta_m_spreads(compared)))
    has_any = any(cell != MISSING for cell in cells)
    return [row(f"Δm against single task{NO_BREAK_SPACE}↓", "%", cells)] if has_any else []


def delta_m_note(compared: Comparison) -> str:
    """Return an explanation of Δm with its reference runs and metrics, or with the runs that are missing for it."""
    notes = delta_m_notes(compared)
    if not notes:
        return ""
    left_out = " ".join(delta_m_left_out(compared))
    return (
        '<p class="hint note">Δm is the mean over metrics of the relative change against single-task runs with the '
        "same protocol (data, encoder, epochs, optimizer, losses), signed so that + is worse and − is better. Its "
        "deviation is over the seeds of the column; that of the single-task runs is not included. "
        f"{escape(left_out)}</p>" + folded("Runs and metrics behind Δm", "".join(f"<p>{escape(n)}</p>" for n in notes))
    )


def delta_m_notes(compared: Comparison) -> list[str]:
    """Return a sentence per group with the runs and metrics of its Δm, or why it has none; empty if none is wanted."""
    is_wanted = bool(compared.delta_m_metrics) or any(g.single_task for g in compared.groups)
    notes = []
    for g, single, change in _against(compared):
        if change:
            references = ", ".join(f"{task_word(task, g.tasks)}: {s.name}" for task, s in single.items())
            metrics = ", ".join(_title(compared, name) for name in change.metrics)
            notes.append(f"{g.name}: against {references}; over {metrics}.")
        elif is_wanted and not g.single_task:
            needed = _tasks_of(g, compared.delta_m_metrics)
            missing = ", ".join(task_word(task, g.tasks) for task in g.tasks if task in needed and task not in single)
            reason = (
                f"no single-task run of its protocol for {missing}" if missing else "a metric of Δm is missing or 0"
            )
            reason = "it is unfinished" if g.unfinished else reason
            notes.append(f"{g.name}: none, {reason}.")
    return notes


def delta_m_left_out(compared: Comparison) -> list[str]:
    """Return a sentence per group whose Δm leaves out metrics that only the group or its single-task runs have."""
    sentences = []
    for g, single, change in _against(compared):
        reference = _reference(single)
        names = [] if change is None or compared.delta_m_metrics else [n for n, s in g.specs.items() if s.in_delta_m]
        left_out = [
            name for name in names if change and name not in change.metrics and (name in g.means or name in reference)
        ]
        if left_out:
            words = ", ".join(_title(compared, name) for name in left_out)
            sentences.append(f"Δm of {g.name} leaves out {words}: missing here or in its single-task run, or 0 there.")
    return sentences


def _reference(single: Mapping[str, Group]) -> dict[str, float]:
    """Return the means of each single-task group's metrics of its task."""
    return {name: value for task, s in single.items() for name, value in s.means.items() if name.startswith(f"{task}/")}


def _tasks_of(g: Group, chosen: Sequence[str]) -> Collection[str]:
    """Return the tasks of the chosen metrics, or else all of a group's."""
    return {name.split("/")[0] for name in chosen} or g.tasks.keys()


def delta_m_changes(compared: Comparison) -> list[DeltaM | None]:
    """Return Δm of each group; None unless there are single-task runs of its protocol for all its tasks."""
    return [found.change for found in _against(compared)]


def delta_m_spreads(compared: Comparison) -> list[float | None]:
    """Return the standard deviation of Δm over the seeds of each group, against the same means of single-task runs.

    It is None for a single seed, and unless all seeds have all metrics of Δm.
    """
    spreads = []
    for g, single, change in _against(compared):
        reference = _reference(single)
        of_seeds = [delta_m(m, reference, g.specs, change.metrics) for m in g.by_seed.values()] if change else []
        percents = [of_seed.percent for of_seed in of_seeds if of_seed is not None]
        spreads.append(stdev(percents) if len(percents) == len(g.by_seed) > 1 else None)
    return spreads


def _title(compared: Comparison, name: str) -> str:
    return f"{compared.specs[name].title} ({task_word(name.split('/')[0], compared.tasks)})"


def _delta_m_cell(change: DeltaM | None, spread: float | None) -> str:
    if change is None:
        return MISSING
    text, deviation = signed(change.percent, 2), "" if spread is None else f" <small>± {spread:.2f}</small>"
    if round(change.percent, 2) == 0:
        return text + deviation
    return f'<span class="{"worse" if change.percent > 0 else "good"}">{text}</span>{deviation}'
