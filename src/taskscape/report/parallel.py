"""Parallel coordinates: a line per experiment, from setting to setting and to the metric."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from taskscape.report.charts import Axis, spans_decades
from taskscape.report.html import wide

HEIGHT, TOP, BOTTOM, SIDE, STEP = 300, 34, 22, 70, 170
"""The drawing, its margins and the distance of two axes, in units of about a pixel; sides and distances are larger
where words need it."""

_LETTER, _GAP = 7, 7
"""The width of a letter, at most on average, and the distance of a label from its axis."""

_TICKS = 9
"""Most labels of an axis."""

_LINE = 0.06
"""Height of a label, as a part of the axis."""


@dataclass(frozen=True)
class Coordinate:
    """One axis, with the place of each line on it."""

    title: str
    values: Sequence[str | float]
    """A value per line: numbers, also as text, or words, which stand in the order in which they come."""

    def places(self) -> list[float]:
        """Return the place of each line, 0 at the lower end and 1 at the upper one."""
        if (numbers := _numbers(self.values)) is not None:
            axis = Axis.around(numbers, spans_decades(numbers), margin=0.03, smallest=1e-6)
            return [axis.position(number) for number in numbers]
        words = list(dict.fromkeys(map(str, self.values)))
        return [(words.index(str(value)) + 0.5) / len(words) for value in self.values]

    def labels(self) -> list[tuple[float, str]]:
        """Return the texts beside the axis with their places: the values themselves, or some of many."""
        found = dict(zip(self.places(), map(_text, self.values), strict=True))
        chosen: list[tuple[float, str]] = []
        least = _LINE if len(found) <= _TICKS // 2 else 1 / (_TICKS + 1)
        for place, text in sorted(found.items()):
            if not chosen or place - chosen[-1][0] > least:
                chosen.append((place, text))
        return chosen

    def room(self) -> tuple[int, int]:
        """Return how far half the title and the longest label reach from the axis."""
        longest = max((len(text) for _, text in self.labels()), default=0)
        return _LETTER * len(self.title) // 2, _LETTER * longest + 2 * _GAP


def parallel(coordinates: Sequence[Coordinate], names: Sequence[str], ranks: Sequence[float]) -> str:
    """Draw lines over these axes; ``names`` are those of the lines, ``ranks`` 0 for the best one to 1 for the worst."""
    room = [coordinate.room() for coordinate in coordinates]
    beside = (title + other + 2 * _GAP for (title, _), (other, _) in pairwise(room))
    step = max(STEP, *beside, *(label for _, label in room[1:-1]))
    at = [max(SIDE, *room[0]) + step * j for j in range(len(room))]
    width = at[-1] + max(SIDE, *room[-1])
    places = [coordinate.places() for coordinate in coordinates]
    lines = ""
    for i in sorted(range(len(names)), key=lambda i: -ranks[i]):  # the best one lies on top
        points = [(x, _y(column[i])) for x, column in zip(at, places, strict=True)]
        path = "M" + "L".join(f"{x},{y:.1f}" for x, y in points)
        color = f"color-mix(in srgb, var(--accent) {100 * (1 - ranks[i]):.0f}%, var(--area))"
        thick = 3 if ranks[i] == 0 else 1.5
        lines += (
            f'<path d="{path}" fill="none" style="stroke:{color}" stroke-width="{thick}" stroke-linejoin="round">'
            f"<title>{escape(names[i])}</title></path>"
        )
    axes = "".join(_axis(coordinate, x, after=x == at[-1]) for x, coordinate in zip(at, coordinates, strict=True))
    titles = " to ".join(coordinate.title for coordinate in coordinates)
    return wide(
        f'<figure class="chart"><svg viewBox="0 0 {width} {HEIGHT}" style="width:{width}px" role="img" '
        f'aria-label="{escape(f"parallel coordinates: {titles}")}">{lines}{axes}</svg></figure>',
        "parallel coordinates",
    )


def _axis(coordinate: Coordinate, x: int, *, after: bool) -> str:
    """Draw an axis at x, its labels before it or, where no line goes on, after it."""
    side, anchor = (_GAP, "start") if after else (-_GAP, "end")
    parts = [
        f'<text x="{x}" y="16" text-anchor="middle" class="axis-name">{escape(coordinate.title)}</text>',
        f'<line class="axis" x1="{x}" x2="{x}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>',
    ]
    for place, text in coordinate.labels():
        halo = 'style="paint-order:stroke;stroke:var(--paper);stroke-width:3px"'
        at = f'x="{x + side}" y="{_y(place) + 3.8:.1f}" text-anchor="{anchor}"'
        parts.append(f"<text {at} {halo}>{escape(text)}</text>")
    return "".join(parts)


def _y(place: float) -> float:
    return HEIGHT - BOTTOM - place * (HEIGHT - BOTTOM - TOP)


def _text(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.4g}"


def _numbers(values: Sequence[str | float]) -> list[float] | None:
    """Return values as numbers; None where one is none."""
    try:
        return [float(value) for value in values]
    except ValueError:
        return None
