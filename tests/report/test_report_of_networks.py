"""Parts of a report for some networks only: overlays, transferred predictions, attention, error boxes, energy."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_runs import CLASSES

from taskscape.report import write_report
from taskscape.report.curves import Curves, curve_charts
from taskscape.report.sections.spread import error_boxes
from taskscape.run_folder import RunFolder

MakeRun = Callable[..., Path]


def add(run: Path, **arrays: Any) -> None:
    """Add arrays to a run's samples; __ in their names stands for a slash."""
    path = RunFolder(run).samples()
    with np.load(path) as there:
        np.savez(path, **dict(there), **{name.replace("__", "/"): array for name, array in arrays.items()})


def test_predictions_are_laid_over_the_image(make_run: MakeRun) -> None:
    text = write_report(make_run(size=(40, 80))).read_text("utf-8")
    assert text.count("segmentation, over the image</figcaption>") == 2  # of two images
    assert text.count("depth, over the image</figcaption>") == 2
    assert "transferred" not in text and "Attention" not in text
    assert "Errors by distance, depth" in text


def test_transferred_predictions_and_attention_are_drawn_where_there_are_some(make_run: MakeRun) -> None:
    run = make_run(size=(16, 1300))  # wider than the images on a page
    depth = np.full((2, 16, 1300), 5, np.float32)
    maps = np.random.default_rng(0).integers(0, 256, (2, len(CLASSES), 4, 325), np.uint8)
    add(run, depth__transferred=depth, semseg__attention=maps)
    text = write_report(run).read_text("utf-8")
    assert text.count("depth, transferred</figcaption>") == 2
    assert text.count("<summary>Attention, segmentation</summary>") == 2
    assert "attention of &lt;b&gt;kerb&lt;/b&gt; &amp; co" in text


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("depth__transferred", np.zeros((2, 3, 4), np.float32)),
        ("semseg__transferred", np.zeros((2, 16, 32), np.float32)),
        ("semseg__attention", np.zeros((1, 3, 4, 8), np.uint8)),
        ("semseg__attention", np.zeros((2, 3, 4, 8), np.float32)),
        ("semseg__attention", np.zeros((2, 3, 0, 8), np.uint8)),
    ],
)
def test_arrays_of_another_form_are_refused_by_name(make_run: MakeRun, name: str, array: Any) -> None:
    run = make_run()
    add(run, **{name: array})
    with pytest.raises(ValueError, match=name.replace("__", "/")):
        write_report(run)


def test_the_energy_of_consistency_has_a_chart() -> None:
    curve = [(1.0, 3.0), (2.0, 2.0)]
    text = curve_charts(Curves({"val/consistency/depth": curve, "val/consistency/parts": curve}, {}))
    assert "Consistency energy, depth" in text and "Consistency energy, parts" in text
    assert "All other curves" not in text


def test_boxes_tell_by_how_much_predictions_are_off() -> None:
    label = np.geomspace(4, 64, 4000, dtype=np.float32).reshape(1, 40, 100)
    valid = np.ones(label.shape, np.bool_)
    text = error_boxes("depth", "meters", label, np.where(label < 16, label, 3 * label), valid)
    assert "from 4 to 8 median 1, half of all between 1 and 1" in text
    assert "from 16 to 32 median 3, half of all between 3 and 3" in text
    assert text.count('class="box"') == 4
    assert error_boxes("depth", "meters", label, label, np.zeros(label.shape, np.bool_)) == ""
    with np.errstate(all="raise"):
        odd = label.copy()
        odd[0, 0, :3] = 0, -1, np.nan
        assert "NaN" not in error_boxes("depth", "meters", odd, np.full_like(label, 1e30), valid)
