"""Parallel coordinates: no label is cut off at the edge of the drawing or overlaps the next axis."""

import re

import pytest

from taskscape.report.charts import Series, chart
from taskscape.report.parallel import Coordinate, parallel

METRIC = Coordinate("mIoU", [1.0, 2.0])
LETTER = 6
"""Minimum width of a letter, in units of the drawing."""


@pytest.mark.parametrize("word", ["a", "uncertainty", "deeplab-fully-branched", "a-very-long-name-of-my-network"])
@pytest.mark.parametrize("before", [[], [Coordinate("optimizer: learning rate", ["1e-4", "1e-3"])]])
def test_labels_have_room(word: str, before: list[Coordinate]) -> None:
    text = parallel([*before, Coordinate("what is varied in this sweep", [word, "b"]), METRIC], ["one", "two"], [0, 1])
    (width,) = map(float, re.findall(r'viewBox="0 0 (\S+) ', text))
    axes = [float(x) for x in re.findall(r'<line class="axis" x1="(\S+?)"', text)]
    for x, title in re.findall(r'<text x="(\S+?)" y="16"[^>]*>([^<]*)<', text):
        half = LETTER * len(title) / 2
        assert half <= float(x) <= width - half
    ((x, _),) = re.findall(rf'<text x="(\S+?)"([^>]*)>{word}<', text)
    left = float(x) - LETTER * len(word)
    assert left >= 0 and not any(left <= axis < float(x) for axis in axes)


def test_no_line_of_a_legend_ends_within_a_number() -> None:
    lines = [Series(f"learning rate {rate}, three-task", "red", [(1.0, 2.0)]) for rate in ("1e-3", "1e-4")]
    assert "learning rate 1e\N{NON-BREAKING HYPHEN}3, three-task" in chart("Loss", lines)
