"""Progress without a terminal: lines, for long work only."""

import pytest
import rich.console

from taskscape import progress


def test_a_file_gets_lines_of_long_work_alone(capsys: pytest.CaptureFixture[str]) -> None:
    clock = [0.0]
    with progress.progress_bar() as bar:
        bar.get_time = lambda: clock[0]
        for name, seconds in (("long [a]", 31), ("short", 9)):
            report = progress.reporter(bar, name)
            for second in range(seconds + 1):
                report(second, seconds)
                clock[0] += 1
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("  ")[:2] for line in lines] == [["long [a]", f"{done}/31"] for done in (10, 20, 30, 31)]


def test_the_rate_survives_a_new_total(capsys: pytest.CaptureFixture[str]) -> None:
    """As in a run that ends with its time, whose number of steps is estimated after each."""
    clock = [0.0]
    with progress.progress_bar() as bar:
        bar.get_time = lambda: clock[0]
        report = progress.reporter(bar, "training")
        for second in range(40):
            report(second, 100 + second % 7)
            clock[0] += 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3 and all("1.0/s" in line and "-:--" not in line for line in lines)


def test_a_silent_bar_prints_nothing(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SECONDS_PER_LINE", 0.0)
    with progress.progress_bar(shown=False) as bar:
        progress.reporter(bar, "images")(1, 2)
        bar.console.print("done")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("has_widgets", [False, True])
def test_a_notebook_gets_bars_where_it_can_show_them(monkeypatch: pytest.MonkeyPatch, has_widgets: bool) -> None:
    monkeypatch.setattr(rich.console, "_is_jupyter", lambda: True)
    monkeypatch.setattr(progress, "find_spec", lambda name: object() if has_widgets else None)
    assert isinstance(progress.progress_bar(), progress._Lines) is not has_widgets
