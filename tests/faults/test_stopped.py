"""SIGTERM, which schedulers send, stops a run between two steps as Ctrl-C does."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from dying import experiment
from runs_compared import differences

from taskscape import runs
from taskscape.cli import main
from taskscape.errors import Interrupted
from taskscape.run_folder import RunFolder
from taskscape.training import checkpoint
from taskscape.training.step import TrainingStep
from two_processes import LAUNCHER

FAULTS = Path(__file__).parent
RECIPE = f"""
import sys
from pathlib import Path
sys.path[:0] = [{str(FAULTS)!r}]
import dying

def recipe():
    return dying.experiment(Path("store"), epochs=2)

def long():
    return dying.experiment(Path("store"), epochs=100_000)
"""


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], None]:
    """Return a function that sends this process a signal while it takes a step."""
    usual = TrainingStep.__call__

    def send(signum: int, at: int) -> None:
        def step(self: TrainingStep, batch: object, number: int) -> object:
            result = usual(self, batch, number)  # type: ignore[arg-type]
            if number + 1 == at:
                os.kill(os.getpid(), signum)
            return result

        monkeypatch.setattr(TrainingStep, "__call__", step)

    return send


@pytest.mark.parametrize(
    ("signum", "at"),
    [(signal.SIGTERM, 1), (signal.SIGTERM, 3), (signal.SIGTERM, 4), (signal.SIGINT, 3), (signal.SIGHUP, 3)],
)
def test_a_stopped_run_is_saved_and_goes_on(
    signum: int,
    at: int,
    sent: Callable[[int, int], None],
    trained: Callable[[int], Path],
    store: Path,
    tmp_path: Path,
) -> None:
    if signal.getsignal(signum) == signal.SIG_IGN:
        pytest.skip("this signal is ignored here, as SIGHUP is under nohup")
    settings = experiment(store, epochs=2)
    sent(signum, at)
    with pytest.raises(Interrupted) as stopped:
        runs.train(settings, tmp_path / "run", quiet=True)
    assert stopped.value.signum == signum
    assert checkpoint.load(RunFolder(tmp_path / "run").checkpoint)["step"] == at
    sent(signum, 0)
    runs.train(settings, tmp_path / "run", resume=True, quiet=True)
    assert differences(trained(2), tmp_path / "run") == []
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_the_command_says_how_to_go_on(
    sent: Callable[[int, int], None],
    store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "store").symlink_to(store)
    (tmp_path / "my.py").write_text(RECIPE)
    sent(signal.SIGTERM, 2)
    with pytest.raises(SystemExit) as ended:
        main(["train", "my.py:recipe", "--out", "run"])
    assert ended.value.code == 143
    message = " ".join(capsys.readouterr().err.split())
    assert "stopped by SIGTERM in epoch 1 of 2; continue with taskscape train --resume run" in message
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_two_processes_stop_together(store: Path, tmp_path: Path) -> None:
    """Their launcher passes the signal to both; the checkpoint is from the same step."""
    (tmp_path / "store").symlink_to(store)
    (tmp_path / "my.py").write_text(RECIPE)
    command = [*LAUNCHER, "-m", "taskscape.cli", "--", "train", "my.py:long", "--out", "run"]
    with (tmp_path / "log").open("w+") as log:
        process = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log)
        end = time.monotonic() + 300
        while not (tmp_path / "run" / "last.ckpt").exists():
            log.seek(0)
            assert process.poll() is None and time.monotonic() < end, log.read()
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait() != 0
        log.seek(0)
        text = " ".join(log.read().split())
    assert "continue with taskscape train --resume run" in text
    assert checkpoint.load(tmp_path / "run" / "last.ckpt")["step"] > 0
    assert not RunFolder(tmp_path / "run").lock.exists()
