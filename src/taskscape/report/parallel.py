"""Parallel coordinates: one line per experiment through its settings to its metric."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from taskscape.report.axis import Axis, spans_decades
from taskscape.report.html import wide

HEIGHT, TOP, BOTTOM, SIDE, STEP = 300, 34, 22, 70, 170
"""Height of the drawing, its margins and the minimum distance of two axes, in units of about a pixel; sides and
distances grow to fit long labels."""

_LETTER, _GAP = 7, 7
"""Upper bound of the average letter width, and the distance of a label from its axis."""

_TICKS = 9
"""Maximum number of labels of an axis."""

_LINE = 0.06
"""Height of a label as a fraction of the axis."""


@dataclass(frozen=True)
class Coordinate:
    """One axis, with the value of each line on it."""

    title: str
    values: Sequence[str | float]
    """One value per line: numbers, possibly as text, or words, which are placed in order of appearance."""

    def places(self) -> list[float]:
        """Return the position of each line, from 0 at the lower end to 1 at the upper end."""
        if (numbers := _numbers(self.values)) is not None:
            axis = Axis.around(numbers, spans_decades(numbers), margin=0.03, smallest=1e-6)
            return [axis.position(number) for number in numbers]
        words = list(dict.fromkeys(map(str, self.values)))
        return [(words.index(str(value)) + 0.5) / len(words) for value in self.values]

    def labels(self) -> list[tuple[float, str]]:
        """Return the labels of the axis with their positions: all values, or a selection if there are many."""
        texts = dict(zip(self.places(), map(_text, self.values), strict=True))
        chosen: list[tuple[float, str]] = []
        min_distance = _LINE if len(texts) <= _TICKS // 2 else 1 / (_TICKS + 1)
        for position, text in sorted(texts.items()):
            if not chosen or position - chosen[-1][0] > min_distance:
                chosen.append((position, text))
        return chosen

    def room(self) -> tuple[int, int]:
        """Return the room beside the axis that half the title and the longest label need."""
        longest = max((len(text) for _, text in self.labels()), default=0)
        return _LETTER * len(self.title) // 2, _LETTER * longest + 2 * _GAP


def parallel(coordinates: Sequence[Coordinate], names: Sequence[str], ranks: Sequence[float]) -> str:
    """Draw named lines over the axes; ``ranks`` run from 0 for the best line to 1 for the worst."""
    margins = [coordinate.room() for coordinate in coordinates]
    distances = (left + right + 2 * _GAP for (left, _), (right, _) in pairwise(margins))
    step = max(STEP, *distances, *(label for _, label in margins[1:-1]))
    xs = [max(SIDE, *margins[0]) + step * j for j in range(len(margins))]
    width = xs[-1] + max(SIDE, *margins[-1])
    positions = [coordinate.places() for coordinate in coordinates]
    lines = ""
    for i in sorted(range(len(names)), key=lambda i: -ranks[i]):  # the best one lies on top
        points = [(x, _y_coordinate(column[i])) for x, column in zip(xs, positions, strict=True)]
        path = "M" + "L".join(f"{x},{y:.1f}" for x, y in points)
        color = f"color-mix(in srgb, var(--accent) {100 * (1 - ranks[i]):.0f}%, var(--area))"
        thickness = 3 if ranks[i] == 0 else 1.5
        lines += (
            f'<path d="{path}" fill="none" style="stroke:{color}" stroke-width="{thickness}" stroke-linejoin="round">'
            f"<title>{escape(names[i])}</title></path>"
        )
    axes = "".join(_axis(coordinate, x, after=x == xs[-1]) for x, coordinate in zip(xs, coordinates, strict=True))
    titles = " to ".join(coordinate.title for coordinate in coordinates)
    return wide(
        f'<figure class="chart"><svg viewBox="0 0 {width} {HEIGHT}" style="width:{width}px" role="img" '
        f'aria-label="{escape(f"parallel coordinates: {titles}")}">{lines}{axes}</svg></figure>',
        "parallel coordinates",
    )


def _axis(coordinate: Coordinate, x: int, *, after: bool) -> str:
    """Draw an axis at x with its labels on the left, or with ``after`` on the right."""
    side, anchor = (_GAP, "start") if after else (-_GAP, "end")
    parts = [
        f'<text x="{x}" y="16" text-anchor="middle" class="axis-name">{escape(coordinate.title)}</text>',
        f'<line class="axis" x1="{x}" x2="{x}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>',
    ]
    for position, text in coordinate.labels():
        halo = 'style="paint-order:stroke;stroke:var(--paper);stroke-width:3px"'
        attributes = f'x="{x + side}" y="{_y_coordinate(position) + 3.8:.1f}" text-anchor="{anchor}"'
        parts.append(f"<text {attributes} {halo}>{escape(text)}</text>")
    return "".join(parts)


def _y_coordinate(position: float) -> float:
    return HEIGHT - BOTTOM - position * (HEIGHT - BOTTOM - TOP)


def _text(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.4g}"


def _numbers(values: Sequence[str | float]) -> list[float] | None:
    """Return the values as numbers; None if any is not a number."""
    try:
        return [float(value) for value in values]
    except ValueError:
        return None
