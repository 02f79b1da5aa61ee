"""Line charts, scatter plots and box plots as inline SVG: text stays text, and nothing is loaded."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from html import escape

from taskscape.report.axis import Axis, spans_decades

COLORS = tuple(f"var(--series-{i})" for i in range(8))
"""Colors of series, in order; ``style.css`` defines them for light and dark pages."""

WIDTH, HEIGHT = 400, 220
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 10, 38
"""Size and margins of the drawing, in units of about a pixel."""


def color(i: int) -> str:
    """Return the color of the i-th series: first ``COLORS``, then mixed with the text color, then with each other."""
    cycle, index = divmod(i, len(COLORS))
    mixed_with = "var(--ink)" if cycle == 1 else COLORS[(index + cycle - 1) % len(COLORS)]
    return f"color-mix(in oklab, {COLORS[index]} 55%, {mixed_with})" if cycle else COLORS[index]


@dataclass(frozen=True)
class Series:
    """Points joined by a line."""

    label: str
    """Text in the legend; empty to leave the series out of it."""
    color: str
    points: Sequence[tuple[float, float]]
    dashed: bool = False
    faint: bool = False
    """Draw the line thin and pale, as for values that scatter behind a mean."""
    filled: bool = False
    """Fill the area down to the axis instead."""
    dot: bool = True
    """Mark the last point."""


def chart(
    title: str,
    series: Sequence[Series],
    note: str = "",
    x_label: str = "epoch",
    x_log: bool = False,
    y_log: bool = False,
    from_zero: bool = False,
) -> str:
    """Draw lines below a title, with a legend if there are several; series without points are left out.

    Returns an HTML figure, or an empty string if no series has points.
    """
    series = [s for s in series if s.points]
    if not series:
        return ""
    x_axis = Axis.around([x for s in series for x, _ in s.points], x_log, margin=0.0, smallest=0.0)
    x_axis = replace(x_axis, whole=x_label == "epoch")
    y_axis = Axis.around([y for s in series for _, y in s.points] + ([0.0] if from_zero else []), y_log)
    if from_zero:
        y_axis = Axis(0.0, y_axis.high)
    body = "".join(_line(s, x_axis, y_axis) for s in series)
    legend = _legend(series) if len(series) > 1 else ""
    return _figure(title, note, legend, _frame(x_axis, y_axis, x_label) + body, _in_words(series, x_label))


def scatter(title: str, points: Sequence[tuple[str, str, float, float]], x_label: str, note: str) -> str:
    """Draw (label, color, x, y) as labeled dots."""
    x_axis = Axis.around([p[2] for p in points], margin=0.12)
    y_axis = Axis.around([p[3] for p in points], margin=0.12)
    body = ""
    for label, color, x, y in points:
        u, v = _coordinates(x, y, x_axis, y_axis)
        hint = f"{label}: {_tick(y)} at {_tick(x)} {x_label}"
        dot = f'cx="{u:.1f}" cy="{v:.1f}" r="5.5" style="fill:{color}" fill-opacity=".75"'  # dots may overlap
        body += f"<circle {dot}><title>{escape(hint)}</title></circle>"
    legend = _legend([Series(label, color, [], filled=True) for label, color, _, _ in points])
    description = "; ".join(f"{label}: {_tick(y)} at {_tick(x)}" for label, _, x, y in points)
    return _figure(title, note, legend, _frame(x_axis, y_axis, x_label) + body, f"over {x_label}: {description}")


@dataclass(frozen=True)
class Box:
    """The distribution of values over an interval of the x axis."""

    left: float
    right: float
    quantiles: tuple[float, float, float, float, float]
    """At 5, 25, 50, 75 and 95 %."""


def boxes(title: str, items: Sequence[Box], dots: Sequence[tuple[float, float]], x_label: str, note: str) -> str:
    """Draw boxes between the quartiles with the median, whiskers to 5 and 95 %, and the dots within the axes.

    Both axes are logarithmic. Returns an HTML figure, or an empty string without boxes.
    """
    if not items:
        return ""
    x_axis = Axis.around([x for box in items for x in (box.left, box.right)], log=True, margin=0.0, smallest=0.0)
    y_axis = Axis.around([y for box in items for y in box.quantiles], log=True)
    within = [(x, y) for x, y in dots if x_axis.low <= x <= x_axis.high and y_axis.low <= y <= y_axis.high]
    coordinates = (_coordinates(x, y, x_axis, y_axis) for x, y in within)
    body = f'<path class="dots" d="{"".join(f"M{u:.0f},{v:.0f}h0" for u, v in coordinates)}"/>'
    body += "".join(_box(box, x_axis, y_axis) for box in items)
    description = "; ".join(
        f"from {_tick(b.left)} to {_tick(b.right)} median {_tick(b.quantiles[2])}, "
        f"half of all between {_tick(b.quantiles[1])} and {_tick(b.quantiles[3])}"
        for b in items
    )
    return _figure(title, note, "", _frame(x_axis, y_axis, x_label) + body, f"over {x_label}: {description}")


def _box(box: Box, x_axis: Axis, y_axis: Axis) -> str:
    left, right = (_coordinates(x, y_axis.low, x_axis, y_axis)[0] for x in (box.left, box.right))
    lowest, low, middle, high, highest = (_coordinates(box.left, y, x_axis, y_axis)[1] for y in box.quantiles)
    left, right, center = left + 4, right - 4, (left + right) / 2
    return (
        f'<g class="box"><path d="M{center:.1f},{lowest:.1f}V{low:.1f}M{center:.1f},{high:.1f}V{highest:.1f}"/>'
        f'<path class="middle" d="M{left:.1f},{low:.1f}H{right:.1f}V{high:.1f}H{left:.1f}Z"/>'
        f'<path class="median" d="M{left:.1f},{middle:.1f}H{right:.1f}"/></g>'
    )


def _in_words(series: Sequence[Series], x_label: str) -> str:
    """Return a text alternative: where the lines of the legend begin and end."""
    lines = [s for s in series if s.label and not s.faint]
    return f"over {x_label}: " + "; ".join(
        f"{s.label} from {_tick(s.points[0][1])} at {_tick(s.points[0][0])} "
        f"to {_tick(s.points[-1][1])} at {_tick(s.points[-1][0])}"
        for s in lines
    )


def grid(charts: Iterable[str]) -> str:
    """Return charts side by side if there is room; an empty string without charts."""
    figures = "".join(charts)
    return f'<div class="charts">{figures}</div>' if figures else ""


def steps(edges: Sequence[float], heights: Sequence[float]) -> list[tuple[float, float]]:
    """Return the outline of a histogram: two points per bin, at its two edges."""
    return [(x, height) for low, high, height in zip(edges, edges[1:], heights, strict=False) for x in (low, high)]


def needs_log(lines: Sequence[Series]) -> bool:
    """Return whether a logarithmic axis shows the values of these lines better."""
    return spans_decades([y for line in lines for _, y in line.points])


def _coordinates(x: float, y: float, x_axis: Axis, y_axis: Axis) -> tuple[float, float]:
    return (
        LEFT + x_axis.position(x) * (WIDTH - LEFT - RIGHT),
        HEIGHT - BOTTOM - y_axis.position(y) * (HEIGHT - TOP - BOTTOM),
    )


def _frame(x_axis: Axis, y_axis: Axis, x_label: str) -> str:
    """Return grid lines, tick labels and the label of the x axis."""
    parts = []
    for y in y_axis.ticks():
        _, v = _coordinates(x_axis.low, y, x_axis, y_axis)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{v:.1f}" y2="{v:.1f}"/>')
        parts.append(f'<text x="{LEFT - 7}" y="{v + 3.8:.1f}" text-anchor="end">{_tick(y)}</text>')
    for x in x_axis.ticks(6):
        u, _ = _coordinates(x, y_axis.low, x_axis, y_axis)
        parts.append(f'<text x="{u:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{_tick(x)}</text>')
    base = HEIGHT - BOTTOM
    parts.append(f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{base}" y2="{base}"/>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text class="axis-name" x="{middle}" y="{HEIGHT - 4}" text-anchor="middle">{escape(x_label)}</text>')
    return "".join(parts)


def _tick(value: float) -> str:
    if value == 0 or 1e-2 <= abs(value) < 1e5:
        return f"{value:.4g}"
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def _line(series: Series, x_axis: Axis, y_axis: Axis) -> str:
    coordinates = [_coordinates(x, y, x_axis, y_axis) for x, y in series.points]
    path = "M" + "L".join(f"{u:.1f},{v:.1f}" for u, v in coordinates)
    color = series.color
    if series.filled:
        base = HEIGHT - BOTTOM
        area = f"{path}L{coordinates[-1][0]:.1f},{base}L{coordinates[0][0]:.1f},{base}Z"
        return f'<path d="{area}" style="fill:{color}" fill-opacity=".7" stroke="none"/>'
    dash = ' stroke-dasharray="5 4"' if series.dashed else ""
    width = ' stroke-width="1" stroke-opacity=".6"' if series.faint else ' stroke-width="2"'
    line = f'<path d="{path}" fill="none" style="stroke:{color}"{width} stroke-linejoin="round"{dash}/>'
    if not series.dot or series.faint:
        return line
    u, v = coordinates[-1]
    return line + f'<circle cx="{u:.1f}" cy="{v:.1f}" r="3" style="fill:{color}"/>'


def _legend(series: Sequence[Series]) -> str:
    items = "".join(
        f'<li><i class="{_mark(s)}" style="--color:{s.color}"></i>{_unbroken(escape(s.label))}</li>'
        for s in series
        if s.label
    )
    return f'<ul class="legend">{items}</ul>'


def _unbroken(text: str) -> str:
    """Replace the hyphens of numbers such as 1e-3 by non-breaking ones, so lines do not break within them."""
    return re.sub(r"(?<=\de)-(?=\d)", "\N{NON-BREAKING HYPHEN}", text)


def _mark(series: Series) -> str:
    """Return the CSS class of a series' mark in the legend."""
    return "dashed" if series.dashed else "filled" if series.filled else "faint" if series.faint else ""


def _figure(title: str, note: str, legend: str, body: str, in_words: str) -> str:
    note = f" <small>{escape(note)}</small>" if note else ""
    return (
        f'<figure class="chart"><figcaption><b>{escape(title)}</b>{note}{legend}</figcaption>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)} {escape(in_words)}">{body}</svg>'
        "</figure>"
    )
