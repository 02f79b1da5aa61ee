"""Parts of color keys, which ``legend`` renders as HTML and ``drawing`` as pixels."""

from collections.abc import Sequence
from dataclasses import dataclass

from taskscape.views.arrays import Color, RgbArray


@dataclass(frozen=True)
class Scale:
    """A color scale, from position 0 to 1."""

    colors: str
    """Name of the scale, as for ``colors.color_table``."""
    ticks: Sequence[tuple[float, str]]
    """Positions from 0 to 1 and their texts. If values are clipped, the text at that end shows it: ``80 m or more``."""


@dataclass(frozen=True)
class Swatches:
    """Names and their colors."""

    items: Sequence[tuple[str, Color]]


@dataclass(frozen=True, eq=False)
class Example:
    """A small (H, W, 3) picture with an explanation."""

    picture: RgbArray
    text: str


Part = str | Scale | Swatches | Example
"""Part of a color key; a text is one or two sentences."""
Key = Sequence[Part]


def error_ticks(largest: float, unit: str = "") -> list[tuple[float, str]]:
    """Return the ticks of an error scale from 0 to ``largest``, where larger errors are clipped."""
    return [(0.0, "0"), (0.5, f"{largest / 2:g}{unit}"), (1.0, f"{largest:g}{unit} or more")]
