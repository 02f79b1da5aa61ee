"""The cost of the networks: operations, parameters, and times measured with the networks interleaved."""

from functools import partial
from statistics import fmean

from taskscape.report.charts import color, grid, scatter
from taskscape.report.columns import NO_BREAK_SPACE, mean_and_deviation, row
from taskscape.report.comparison.runs import Comparison
from taskscape.report.glossary import cost_text, cost_title, leading, unit_and_direction
from taskscape.report.html import prose
from taskscape.report.modules import parameter_table
from taskscape.report.words import MISSING


def cost_row(compared: Comparison, name: str) -> str:
    """Return the row of a cost that does not depend on the machine."""
    show = partial(cost_text, name)
    values = [g.costs(name) for g in compared.groups]
    cells = [show(fmean(v)) if v else MISSING for v in values]
    return row(f"{cost_title(name)}{NO_BREAK_SPACE}↓", "", cells)


def time_rows(compared: Comparison) -> list[str]:
    """Return the rows of times; none if times were not measured together."""
    if compared.times is None:
        return []
    rows = []
    for name in ("latency", "seconds_per_image"):
        values = [compared.seconds(g, name) for g in compared.groups]
        cells = [mean_and_deviation(v, partial(cost_text, name, like=fmean(v) if v else None)) for v in values]
        rows.append(row(f"{cost_title(name)}{NO_BREAK_SPACE}↓", "", cells))
    return rows


def cost_section(compared: Comparison) -> str:
    """Draw the leading metric of each task over the cost of a prediction, and list the parameters by part."""
    if compared.times is None:
        text = (
            "Times are not compared: each run was measured separately, possibly while other programs were running. "
            "taskscape compare --time measures the networks together, interleaved."
        )
    else:
        text = f"Times were measured in one process with the networks interleaved: {compared.times.conditions}."
    axes = [("GFLOPs per image", 1e-9, [g.costs("flops") for g in compared.groups])]
    if compared.times is not None:
        latencies = [compared.seconds(g, "latency") for g in compared.groups]
        axes.append(("milliseconds for one image", 1e3, latencies))
    charts = []
    for label, factor, costs in axes:
        for name in leading(compared.metrics, compared.specs):
            spec = compared.specs[name]
            points = [
                (g.name, color(i), factor * fmean(cost), g.means[name])
                for i, (g, cost) in enumerate(zip(compared.groups, costs, strict=True))
                if cost and name in g.means
            ]
            if len(points) > 1:
                charts.append(scatter(spec.title, points, label, unit_and_direction(spec)))
    networks = [(g.name, g.runs[0].result.parameters) for g in compared.groups if g.runs[0].result.parameters]
    return f"<p>{prose(text)}</p>" + grid(charts) + parameter_table(networks, compared.tasks)
