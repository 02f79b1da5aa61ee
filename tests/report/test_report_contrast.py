"""Text in colored cells and on pages is readable, in light and in dark mode."""

import importlib.util
import re
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from taskscape.report.confusion import PAGES, confusion_table, contrast_with_white


def rgb(word: str) -> tuple[int, int, int]:
    """Return the color of a hexadecimal code."""
    return int(word[1:3], 16), int(word[3:5], 16), int(word[5:7], 16)


def contrast(first: tuple[int, int, int], second: tuple[int, int, int]) -> float:
    low, high = sorted(contrast_with_white(color) for color in (first, second))
    return high / low


def test_contrast_is_that_of_the_guidelines() -> None:
    assert contrast_with_white((255, 255, 255)) == pytest.approx(1)
    assert contrast_with_white((0, 0, 0)) == pytest.approx(21)
    assert contrast_with_white((0x77, 0x77, 0x77)) == pytest.approx(4.48, abs=0.01)


def test_numbers_in_colored_cells_can_be_read() -> None:
    draw = np.random.default_rng(0)
    colors = {f"class {i}": tuple(int(x) for x in draw.integers(0, 256, 3)) for i in range(30)}
    counts = draw.integers(0, 1000, (30, 30)) * draw.integers(0, 2, (30, 30)) + 500 * np.eye(30, dtype=int)
    text = confusion_table(counts, colors)  # type: ignore[arg-type]
    cells = re.findall(r'<td class="(\w)(\w)" style="--color:rgb\((\d+),(\d+),(\d+)\);--part:(\d+)%">', text)
    assert len(cells) > 200
    for *words, r, g, b, part in cells:
        for word, page in zip(words, PAGES, strict=True):
            background = np.array(page) * (1 - int(part) / 100) + np.array([int(r), int(g), int(b)]) * int(part) / 100
            white = contrast_with_white(background)
            assert (white if word == "w" else 21 / white) > 4.5


@pytest.mark.parametrize("dark", [False, True])
def test_words_of_the_pages_can_be_read(dark: bool) -> None:
    style = files("taskscape.report").joinpath("style.css").read_text("utf-8")
    block = style.split("prefers-color-scheme: dark")[1 if dark else 0].partition("*, ")[0]
    colors = {name: rgb(word) for name, word in re.findall(r"--([\w-]+): (#\w{6})\b", block)}
    for name in ("ink", "soft", "accent", "good", "bad", "star"):
        for behind in ("paper", "faint"):
            assert contrast(colors[name], colors[behind]) > 4.5, f"{name} on {behind}"


def test_heads_of_columns_have_words() -> None:
    spec = importlib.util.spec_from_file_location("hooks", Path(__file__).parents[2] / "docs" / "hooks.py")
    assert spec is not None and spec.loader is not None
    hooks = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hooks)
    assert hooks.on_page_content("<th></th><th>a</th><p>so ::</p>") == "<td></td><th>a</th><p>so</p>"
