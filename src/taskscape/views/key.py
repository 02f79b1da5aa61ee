"""What colors mean: parts of which ``legend`` makes HTML and ``drawing`` pixels."""

from collections.abc import Sequence
from dataclasses import dataclass

from taskscape.views.arrays import Color, RgbArray


@dataclass(frozen=True)
class Scale:
    """A color scale, from position 0 to 1."""

    colors: str
    """Its name, as ``colors.color_table`` takes it."""
    ticks: Sequence[tuple[float, str]]
    """Position and text, from 0 to 1. Where values are clipped, the text at that end says so: ``80 m or more``."""


@dataclass(frozen=True)
class Swatches:
    """Names and their colors."""

    items: Sequence[tuple[str, Color]]


@dataclass(frozen=True, eq=False)
class Example:
    """A small picture, (H, W, 3), and what it shows."""

    picture: RgbArray
    text: str


Part = str | Scale | Swatches | Example
"""A text is a sentence or two."""
Key = Sequence[Part]


def error_ticks(largest: float, unit: str = "") -> list[tuple[float, str]]:
    """Return the ticks of a scale of errors from 0, at whose end larger ones are clipped."""
    return [(0.0, "0"), (0.5, f"{largest / 2:g}{unit}"), (1.0, f"{largest:g}{unit} or more")]
