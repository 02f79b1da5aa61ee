"""Training with a time limit: the schedule is complete, the run ends, and it can be stopped and resumed."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from taskscape import runs
from taskscape.errors import Interrupted
from taskscape.run_folder import Progress, RunFolder
from taskscape.runs import read_experiment
from taskscape.training import pace
from taskscape.training.loop import Trainer
from taskscape.training.optimization import OneCycle
from taskscape.training.pace import Pace
from tiny import tiny
from two_processes import train_on_both

CPU = torch.device("cpu")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Replace the clock by one that changes only when it is set."""
    now = [100.0]
    monkeypatch.setattr(pace, "time", type("Clock", (), {"monotonic": staticmethod(lambda: now[0])}))
    return now


def test_without_a_time_the_schedule_goes_by_steps(clock: list[float]) -> None:
    plain = Pace(7, 3, None, CPU)
    assert [plain.epoch(step) for step in range(21)] == [step / 7 for step in range(21)]
    clock[0] += 1e9
    assert not plain.is_over() and plain.steps(5) == 21


def test_with_a_time_it_goes_by_the_time_that_has_passed(clock: list[float]) -> None:
    timed = Pace(10, 8, 60.0, CPU)
    timed.start()
    speeds = [1.0] * 30 + [6.0] * 5  # the machine becomes slower
    places = []
    for step, seconds in enumerate(speeds):
        places.append(timed.epoch(step))
        assert not timed.is_over()
        clock[0] += seconds
    assert places == sorted(places)
    assert places[30] == pytest.approx(4.0)
    assert timed.epoch(35) == 8.0 and timed.is_over()


def test_a_fast_machine_ends_with_its_last_epoch(clock: list[float]) -> None:
    timed = Pace(10, 2, 1e6, CPU)
    assert timed.epoch(19) == 1.9 and timed.steps(19) == 20


def test_a_run_ends_with_its_time(store: Path, tmp_path: Path) -> None:
    experiment = replace(tiny(store), epochs=100_000, minutes=0.03, validate_every=1_000, schedule=OneCycle(end=0.0))
    result = runs.train(experiment, tmp_path / "run", quiet=True)
    rows = RunFolder(tmp_path / "run").metric_rows()
    assert float(rows[-1]["seconds"]) > 1.8 and int(rows[-1]["epoch"]) < 100_000
    assert float(rows[-1]["lr"]) == 0.0  # the cycle is complete
    assert result.metrics["semseg/miou"] == pytest.approx(float(rows[-1]["val/semseg/miou"]))
    assert result.progress == Progress(int(rows[-1]["epoch"]), int(rows[-1]["epoch"]), finished=True)


def test_the_last_epoch_is_validated_and_each_nth(store: Path, tmp_path: Path) -> None:
    runs.train(replace(tiny(store), epochs=5, validate_every=2), tmp_path / "run", quiet=True)
    rows = RunFolder(tmp_path / "run").metric_rows()
    assert ["val/semseg/miou" in row for row in rows] == [False, True, False, True, True]
    assert all(float(row["train/loss/semseg"]) > 0 for row in rows)


def test_a_stopped_run_has_the_rest_of_its_time(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    experiment = replace(tiny(store), epochs=100_000, minutes=0.04, validate_every=100_000)
    stop_at = time.monotonic() + 1.0
    is_requested = Trainer._stop_is_requested
    monkeypatch.setattr(Trainer, "_stop_is_requested", lambda self: time.monotonic() > stop_at)
    with pytest.raises(Interrupted):
        runs.train(experiment, run, quiet=True)
    monkeypatch.setattr(Trainer, "_stop_is_requested", is_requested)
    runs.train(read_experiment(run), run, resume=True, quiet=True)
    rows = RunFolder(run).metric_rows()
    assert float(rows[-1]["seconds"]) >= 2.4
    seconds = float(rows[-1]["seconds"])
    again = runs.train(replace(experiment, keep_checkpoint=True), run, resume=True, quiet=True)
    assert float(RunFolder(run).metric_rows()[-1]["seconds"]) == seconds
    assert again.progress is not None and again.progress.finished


def test_two_processes_end_after_the_same_step(store: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train_on_both(replace(tiny(store), epochs=100_000, minutes=0.02, validate_every=100_000), run)
    assert float(RunFolder(run).metric_rows()[-1]["seconds"]) >= 1.2
    assert RunFolder(run).result().is_file()
