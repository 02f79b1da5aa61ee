"""Confusion matrices as tables: rows are the true class, columns the predicted one."""

from collections.abc import Callable, Mapping
from html import escape

import numpy as np
import numpy.typing as npt

from taskscape.report.glossary import signed
from taskscape.report.html import wide
from taskscape.views import Color

BETTER = (14, 138, 108)
WORSE = (207, 58, 58)
PAGES = ((247, 247, 247), (32, 33, 38))
"""RGB background of an uncolored cell on a light and on a dark page, as in ``style.css``."""

Shares = npt.NDArray[np.float64]
Classes = Mapping[str, Color]
"""Names and colors in the order of ids."""
Cell = Callable[[int, int], tuple[str, Color, float]]
"""Function of row and column that returns the text, the color and its strength, 0..1."""


def shares(confusion: npt.ArrayLike) -> Shares:
    """Return (C, C) pixel counts as percentages of their row; the row of a class that never occurs is NaN."""
    counts = np.asarray(confusion, np.float64)
    total = counts.sum(1, keepdims=True)
    return np.asarray(100 * counts / np.where(total > 0, total, np.nan))


def confusion_table(confusion: npt.ArrayLike, classes: Classes) -> str:
    """Draw (C, C) pixel counts in percent of their row; cells have the color of the predicted class."""
    percent = shares(confusion)
    colors = list(classes.values())

    def cell(row: int, column: int) -> tuple[str, Color, float]:
        value = percent[row, column]
        # The square root makes rare confusions visible.
        return f"{value:.0f}", colors[column], float(np.sqrt(value / 100))

    return _table(percent, classes, cell)


def confusion_difference_table(before: npt.ArrayLike, after: npt.ArrayLike, classes: Classes) -> str:
    """Draw ``after`` minus ``before`` in percentage points of the true class; improvements are green.

    Returns an empty string if no cell changes by half a point.
    """
    change = shares(after) - shares(before)
    if not (np.abs(change) >= 0.5).any():
        return ""
    largest = max(5.0, float(np.nanmax(np.abs(change), initial=0.0)))

    def cell(row: int, column: int) -> tuple[str, Color, float]:
        value = change[row, column]
        better = (value > 0) == (row == column)
        return signed(value, 0), BETTER if better else WORSE, abs(value) / largest

    return _table(change, classes, cell)


def _table(values: Shares, classes: Classes, cell: Cell) -> str:
    head = "".join(f"<th scope=col>{_chip(color)}{_name(name)}</th>" for name, color in classes.items())
    rows = []
    for i, (name, color) in enumerate(classes.items()):
        cells = "".join(
            _colored(*cell(i, j)) if abs(values[i, j]) >= 0.5 else "<td></td>"  # NaN fails the test too
            for j in range(len(classes))
        )
        rows.append(f"<tr><th scope=row>{_name(name)}{_chip(color)}</th>{cells}</tr>")
    side = max(22, min(64, 760 // len(classes)))  # pixels: 40 classes fit a desktop, two do not fill it
    return wide(
        f'<table class="matrix" style="--side:{side}px"><thead><tr><td></td>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>",
        "confusion of classes: rows are the true class, columns the predicted one",
    )


def _name(name: str) -> str:
    return f'<span title="{escape(name)}">{escape(name)}</span>'


def _chip(color: Color) -> str:
    return '<i style="--color:rgb({},{},{})"></i>'.format(*color)


def contrast_with_white(color: npt.ArrayLike) -> float:
    """Return the WCAG 2 contrast ratio, 1 to 21, of white with an sRGB color (0..255).

    The contrast of black is 21 divided by it, so the better of the two is at least 4.58.
    """
    channels = np.asarray(color, np.float64) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(1.05 / (linear @ (0.2126, 0.7152, 0.0722) + 0.05))


def _colored(text: str, color: Color, strength: float) -> str:
    backgrounds = [np.array(page) * (1 - strength) + np.array(color) * strength for page in PAGES]
    light, dark = ("w" if contrast_with_white(b) >= 21**0.5 else "k" for b in backgrounds)
    r, g, b = color
    return f'<td class="{light}{dark}" style="--color:rgb({r},{g},{b});--part:{100 * strength:.0f}%">{text}</td>'
