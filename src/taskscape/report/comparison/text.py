"""The metrics of a comparison as text: CSV for programs, LaTeX and Markdown for papers."""

import csv
import io
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from statistics import fmean, stdev

from taskscape.report.columns import MEANING_OF_BEST, of_runs
from taskscape.report.comparison.delta_m import delta_m_changes, delta_m_left_out, delta_m_notes, delta_m_spreads
from taskscape.report.comparison.runs import Comparison
from taskscape.report.glossary import arrow, by_task, signed
from taskscape.report.words import MISSING, heading, task_word

STARTS = {".csv": "experiment,run,seed", ".md": "<!-- taskscape compare -->", ".tex": "% taskscape compare"}
"""The first characters of each kind of file, by its suffix."""

_TO_LATEX = str.maketrans(
    {
        **{letter: f"\\{letter}" for letter in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "↑": r"$\uparrow$",
        "↓": r"$\downarrow$",
        "±": r"$\pm$",
        "×": r"$\times$",
        "−": "$-$",
        "–": "--",
        "°": r"$^\circ$",
        "²": "$^2$",
        "³": "$^3$",
        "<": "$<$",
        ">": "$>$",
        "δ": r"$\delta$",
        "Δ": r"$\Delta$",
    }
)


def as_csv(compared: Comparison) -> str:
    """Return a row per run: its experiment, folder name and seed, all metrics, its cost, and times if measured.

    If any run is unfinished, the column ``unfinished`` has the epochs of such runs.
    """
    any_unfinished = any(g.unfinished for g in compared.groups)
    rows = []
    for g in compared.groups:
        for run in g.runs:
            row = {"experiment": g.name, "run": run.name, "seed": run.settings.get("seed")}
            row |= {"unfinished": run.unfinished} if any_unfinished else {}
            row |= {name: run.result.metrics[name] for name in run.result.specs if name in run.result.metrics}
            row |= {name: run.result.cost[name] for name in ("parameters", "flops") if name in run.result.cost}
            if compared.times is not None:
                path = str(run.folder.path.resolve())
                row |= {
                    "latency": compared.times.latency.get(path),
                    "seconds_per_image": compared.times.seconds_per_image.get(path),
                }
            rows.append(row)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def as_markdown(compared: Comparison) -> str:
    """Return a table with a row per experiment and a column per metric: mean ± standard deviation.

    Comments below it say on which split, what else differs, which seeds there are, and what Δm is computed from.
    """
    columns = _columns(compared)
    heads = [f"{column.task}: {column.title}" if column.task else column.title for column in columns]
    lines = [STARTS[".md"], _markdown_row(["", *heads]), f"|---|{'---:|' * len(columns)}"]
    for i, name in enumerate(_names(compared)):
        cells = [f"**{c.means[i]}**" if i in c.best else c.means[i] for c in columns]
        lines.append(_markdown_row([name, *(cell + c.deviations[i] for cell, c in zip(cells, columns, strict=True))]))
    if notes := [f"<!-- {note.replace('-->', '-- >')} -->" for note in _notes(compared, columns)]:
        lines += ["", *notes]
    return "\n".join(lines) + "\n"


def as_latex(compared: Comparison) -> str:
    """Return the table of ``as_markdown`` as a ``tabular`` with the lines of the LaTeX package ``booktabs``."""
    columns = _columns(compared)
    tasks, lines, start = [], [], 2
    for task, members in groupby(columns, lambda column: column.task):
        end = start + len(list(members))
        tasks.append(rf"\multicolumn{{{end - start}}}{{c}}{{{_latex(task)}}}")
        lines += [rf"\cmidrule(lr){{{start}-{end - 1}}}"] if task else []
        start = end
    body = []
    for i, name in enumerate(_names(compared)):
        cells = [rf"\textbf{{{_latex(c.means[i])}}}" if i in c.best else _latex(c.means[i]) for c in columns]
        cells = [cell + _latex(c.deviations[i]) for cell, c in zip(cells, columns, strict=True)]
        body.append(" & ".join([_latex(name), *cells]) + r" \\")
    return "\n".join(
        [
            rf"{STARTS['.tex']}: \usepackage{{booktabs}}",
            rf"\begin{{tabular}}{{l{'r' * len(columns)}}}",
            r"\toprule",
            " & ".join(["", *tasks]).lstrip() + r" \\",
            " ".join(lines),
            " & ".join(["", *(_latex(column.title) for column in columns)]).lstrip() + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            *(f"% {note}" for note in _notes(compared, columns)),
            "",
        ]
    )


TEXTS: Mapping[str, Callable[[Comparison], str]] = {".csv": as_csv, ".md": as_markdown, ".tex": as_latex}
"""The functions that return a comparison as text, by the suffix of its file."""


@dataclass(frozen=True)
class _Column:
    """One metric: its task in words and its title, and by experiment the mean and the standard deviation as text."""

    task: str
    title: str
    means: Sequence[str]
    deviations: Sequence[str]
    best: Collection[int] = ()


def _columns(compared: Comparison) -> list[_Column]:
    """Return the metrics of Δm, or without any all that tables show, and Δm if there is one."""
    chosen = compared.delta_m_metrics or [name for name in compared.metrics if compared.specs[name].in_delta_m]
    columns = [
        _metric_column(compared, name)
        for names in by_task(chosen or compared.metrics).values()
        for name in names
        if name in compared.specs
    ]
    changes = [None if change is None else change.percent for change in delta_m_changes(compared)]
    if any(change is not None for change in changes):
        means = [MISSING if change is None else signed(change, 2) for change in changes]
        deviations = ["" if spread is None else f" ± {spread:.2f}" for spread in delta_m_spreads(compared)]
        columns.append(_Column("", "Δm, % ↓", means, deviations))
    return columns


def _metric_column(compared: Comparison, name: str) -> _Column:
    spec, values = compared.specs[name], [g.values(name) for g in compared.groups]
    return _Column(
        heading(task_word(name.split("/")[0], compared.tasks)) if "/" in name else "",
        f"{spec.title}{f', {spec.unit}' if spec.unit else ''} {arrow(spec)}",
        [spec.show(fmean(v)) if v else MISSING for v in values],
        [
            (f" ± {spec.show(stdev(v))}" if len(v) > 1 else "")
            + (f" ({share})" if (share := of_runs(v, len(g.by_seed))) else "")
            for v, g in zip(values, compared.groups, strict=True)
        ],
        compared.best(name, spec.show),
    )


def _notes(compared: Comparison, columns: Sequence[_Column]) -> list[str]:
    """Return what a reader of the page is told about the comparison, one line each: split, differences, seeds, Δm."""
    groups = compared.groups
    differences = [
        f"{heading(name)}: " + "; ".join(f"{g.name} {value}" for g, value in zip(groups, values, strict=True))
        for name, values in compared.difference.besides.items()
    ]
    caution = ["These runs also differ as follows, which may affect the metrics, so nothing is bold."]
    delta_m = [f"Δm, {note}" for note in delta_m_notes(compared)] + delta_m_left_out(compared)
    bold = [f"Bold is {MEANING_OF_BEST}"] if any(column.best for column in columns) else []
    notes = [
        compared.subject,
        *bold,
        *(caution if differences else []),
        *differences,
        *compared.difference.remarks,
        *delta_m,
    ]
    return [" ".join(note.split()).replace("starred", "bold") for note in notes]


def _names(compared: Comparison) -> list[str]:
    """Return the experiments' names in one line each, with the number of runs if there are several."""
    repetitions = [f" (× {len(g.runs)})" if len(g.runs) > 1 else "" for g in compared.groups]
    return [" ".join(g.name.split()) + times for g, times in zip(compared.groups, repetitions, strict=True)]


def _latex(text: str) -> str:
    return text.translate(_TO_LATEX)


def _markdown_row(cells: Sequence[str]) -> str:
    texts = (escape(cell, quote=False).replace("|", r"\|") for cell in cells)
    return f"| {' | '.join(texts)} |"
