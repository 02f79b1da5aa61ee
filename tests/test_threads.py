"""--threads: the CPU cores that a command uses."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch

from taskscape import cli, parallel
from taskscape.parallel import threads


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = torch.get_num_threads()
    monkeypatch.setattr(threads, "_chosen", [])
    monkeypatch.setenv("OMP_NUM_THREADS", str(before))
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("arguments", [["recipes", "--threads", "1"], ["--threads=1", "recipes"]])
def test_the_flag_of_every_command(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    torch.set_num_threads(2)
    cli.main(arguments)
    assert "joint" in capsys.readouterr().out
    assert torch.get_num_threads() == parallel.workers(None) == parallel.chosen_threads() == 1
    assert parallel.workers(3) == 3  # requested explicitly


@pytest.mark.parametrize(
    ("arguments", "said"),
    [("--threads 1 --threads=2", "--threads is given twice"), ("--threads 100000000000", "use 1 to 1024")],
)
def test_numbers_that_cannot_be_meant(arguments: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ending:
        cli.main(["recipes", *arguments.split()])
    assert ending.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("value", ["0", "-1", "two", ""])
def test_numbers_that_are_none(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ending:
        cli.main(["recipes", "--threads", *([value] if value else [])])
    assert ending.value.code == 2
    assert "give the number of CPU cores to use, 1 or more" in capsys.readouterr().err


def test_a_torch_that_is_imported_later_obeys() -> None:
    code = "from taskscape.parallel import use_threads; use_threads(1); import torch; print(torch.get_num_threads())"
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"


@pytest.mark.parametrize(("asked", "environment", "kept"), [(None, None, 1), (2, None, 2), (None, "2", 2)])
def test_a_resumed_run_keeps_its_threads(
    asked: int | None, environment: str | None, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS")
    if environment:
        monkeypatch.setenv("OMP_NUM_THREADS", environment)
    torch.set_num_threads(2)
    if asked:
        parallel.use_threads(asked)
    parallel.keep_threads(1)
    assert torch.get_num_threads() == kept


def test_no_more_threads_than_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr(threads, "cores", lambda: 2)
    parallel.keep_threads(64)
    assert torch.get_num_threads() == 2
