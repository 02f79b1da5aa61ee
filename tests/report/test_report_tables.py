import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from taskscape.report import print_metrics
from taskscape.report.axis import Axis
from taskscape.report.charts import Series, chart
from taskscape.report.glossary import cost_text
from taskscape.run_folder import Result, RunFolder

MakeRun = Callable[..., Path]


def test_metrics_on_the_terminal(make_run: MakeRun) -> None:
    stream = io.StringIO()
    print_metrics(Result.load(RunFolder(make_run()).result()), Console(file=stream, width=80))
    lines = stream.getvalue().splitlines()
    assert any("mIoU" in line and "60.00" in line and "% ↑" in line for line in lines)
    assert any("Absolute error" in line and "2.000" in line and "m ↓" in line for line in lines)
    assert not any("kerb" in line for line in lines)
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("width", [*range(40, 70)])
def test_narrow_terminals_show_titles(make_run: MakeRun, width: int) -> None:
    stream, result = io.StringIO(), Result.load(RunFolder(make_run()).result())
    print_metrics(replace(result, baselines={"by position": result.metrics}), Console(file=stream, width=width))
    text = stream.getvalue()
    for word in ("mIoU", "Absolute", "Relative", "Parameters", "% ↑", "m ↓"):
        assert word in text, text
    assert "…" not in text and max(map(len, text.splitlines())) <= width


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("parameters", 20_500_000, "20.5 M"), ("flops", 6e9, "6.00 G"), ("flops", 150e9, "150 G"),
        ("parameters", 0, "0"), ("parameters", 33.0, "33"),
        ("seconds_per_image", 0.0233, "23.3 ms"), ("seconds_per_image", 2e-5, "20.0 µs"), ("seconds", 45, "45.0 s"),
        ("seconds", 1900, "32 min"), ("seconds", 90000, "25 h 00 min"),
    ],
)  # fmt: skip
def test_costs_have_units(name: str, value: float, text: str) -> None:
    assert cost_text(name, value) == text


def test_a_deviation_has_the_unit_of_its_mean() -> None:
    assert [cost_text("latency", 6.4e-4, like=0.0367), cost_text("seconds", 30, like=1900)] == ["0.640 ms", "0 min"]


@pytest.mark.parametrize("values", [[0.0], [3.0], [1e-4, 1e-3], [-5.0, 5.0], [2.0, 2.0], [1.0, 900.0]])
@pytest.mark.parametrize("log", [False, True])
def test_axes_hold_their_values_and_ticks(values: list[float], log: bool) -> None:
    axis = Axis.around(values, log)
    assert all(0 <= axis.position(v) <= 1 for v in values)
    ticks = axis.ticks()
    assert 2 <= len(ticks) <= 12 and ticks == sorted(ticks)
    assert all(-1e-9 <= axis.position(t) <= 1 + 1e-9 for t in ticks)


def test_a_chart_without_points_is_nothing() -> None:
    assert chart("empty", [Series("a", "#000", [])]) == ""
    assert "<path" in chart("one point", [Series("a", "#000", [(1.0, 2.0)])])
