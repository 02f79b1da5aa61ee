"""Pairs of groups of runs: differences of metrics seed by seed, and differences of confusion matrices."""

from collections.abc import Sequence
from html import escape
from itertools import combinations
from statistics import fmean, stdev
from typing import Any

import numpy as np

from taskscape.metrics.spec import MetricSpec
from taskscape.report.confusion import confusion_difference_table
from taskscape.report.glossary import direction, shown, signed
from taskscape.report.groups import Group
from taskscape.report.html import folded, small, wide
from taskscape.report.words import MISSING, heading, task_word
from taskscape.views import view

MOST_PAIRS = 15
"""Maximum number of pairs; with more, each group is compared with the first one only."""


def pairs(groups: Sequence[Group]) -> list[tuple[Group, Group]]:
    """Return all pairs of groups, or only those with the first group if there are too many."""
    all_pairs = list(combinations(groups, 2))
    return all_pairs if len(all_pairs) <= MOST_PAIRS else [(groups[0], other) for other in groups[1:]]


def pair_tables(groups: Sequence[Group]) -> str:
    """Return a collapsed section per pair: paired differences, and differences of the confusion matrices."""
    return "".join(
        folded(f"{after.name} minus {before.name}", _differences(before, after) + _confusion(before, after))
        for before, after in pairs(groups)
    )


def paired(before: Group, after: Group, metric: str) -> list[float]:
    """Return after minus before for each common seed with the metric in both groups."""
    metric_pairs = [(before.by_seed[s], after.by_seed[s]) for s in before.by_seed if s in after.by_seed]
    return [b[metric] - a[metric] for a, b in metric_pairs if metric in a and metric in b]


def _differences(before: Group, after: Group) -> str:
    metrics = shown(before.means.keys() & after.means.keys(), before.specs)
    common = len(before.by_seed.keys() & after.by_seed.keys())
    rows = "".join(_row(before, after, name, before.specs[name]) for name in metrics)
    if not rows:
        return ""
    note = (
        f"Over {common} common seed{'s' * (common != 1)}." if common else "Differences of the means: no common seeds."
    )
    return f"<p>{note}</p>" + wide(
        '<table class="compare"><thead><tr><td></td><th scope=col>difference</th><th scope=col>± over seeds</th>'
        f"<th scope=col>seeds better</th></tr></thead><tbody>{rows}</tbody></table>",
        f"differences between {after.name} and {before.name}",
    )


def _row(before: Group, after: Group, name: str, spec: MetricSpec) -> str:
    """Return the difference of a metric seed by seed; that of the means if no common seed has it in both groups."""
    changes = paired(before, after, name)
    difference = fmean(changes) if changes else after.means[name] - before.means[name]
    better = sum((change > 0) == spec.higher_is_better and change != 0 for change in changes)
    seeds_better = f"{better} of {len(changes)}" if changes else MISSING
    spread = spec.show(stdev(changes)) if len(changes) > 1 else MISSING
    of_means = "" if changes or before.by_seed.keys().isdisjoint(after.by_seed) else small("of the means")
    title = spec.title if "/" not in name else f"{spec.title}, {task_word(name.split('/')[0], before.tasks)}"
    return (
        f"<tr><th scope=row>{escape(title)} {direction(spec)}{small(spec.unit)}</th>"
        f"<td>{signed(difference, spec.digits)}{of_means}</td><td>{spread}</td><td>{seeds_better}</td></tr>"
    )


def _confusion(before: Group, after: Group) -> str:
    """Return the differences of the confusion matrices for tasks with the same classes in both groups."""
    tables = []
    for task, modality in before.tasks.items():
        matrices = [_matrices(g, task) for g in (before, after)]
        if after.tasks.get(task) == modality and all(matrices):
            old, new = (np.sum(run_matrices, axis=0) for run_matrices in matrices)
            table = confusion_difference_table(old, new, view(modality).classes)
            note = (
                "Change in how the pixels of each true class (row) are predicted (column), in percentage points. Green "
                "is better, red is worse."
                if table
                else "No change: no share of a true class differs by half a percentage point."
            )
            word = heading(task_word(task, before.tasks))
            tables.append(f"<h3>{escape(word)}: confusion of classes</h3><p>{note}</p>{table}")
    return "".join(tables)


def _matrices(g: Group, task: str) -> list[Any]:
    key = f"{task}/confusion"
    return [run.result.plots[key] for run in g.runs if key in run.result.plots]
