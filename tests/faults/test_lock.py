"""Only one process writes a run at a time."""

import json
import os
import shutil
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from dying import experiment, in_a_process

from taskscape import runs
from taskscape.cli import main
from taskscape.run_folder import RunFolder, locked


def test_a_second_process_is_refused_by_name(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    with locked(folder):
        owner = json.loads(folder.lock.read_text())
        assert owner["host"] == socket.gethostname() and owner["process"] == os.getpid() and owner["since"]
        message = rf"run is being written by process {os.getpid()} on .* since \d{{4}}-.*: wait for it, stop it \(kill"
        with pytest.raises(ValueError, match=message), locked(folder):
            raise AssertionError
        assert json.loads(folder.lock.read_text()) == owner
    assert not folder.path.exists()


def test_resuming_twice_is_refused(
    trained: Callable[[int], Path], store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = RunFolder(shutil.copytree(trained(1), tmp_path / "run"))
    run.result().unlink()  # so that some work is left
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    with locked(run):
        with pytest.raises(SystemExit) as ended:
            main(["train", "--resume", str(run.path)])
        assert ended.value.code == 2
        assert f"is being written by process {os.getpid()} on" in " ".join(capsys.readouterr().err.split())
        with pytest.raises(ValueError, match="is being written by process"):
            runs.train(experiment(store, epochs=1), run.path, quiet=True, resume=True)
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before


def hold_and_die(folder: RunFolder) -> Callable[[], None]:
    def work() -> None:
        with locked(folder):
            os.kill(os.getpid(), signal.SIGKILL)

    return work


def test_the_lock_of_a_killed_process_is_stale(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    assert in_a_process(hold_and_die(folder)) == -signal.SIGKILL
    assert folder.lock.exists()
    folder.path.joinpath("last.ckpt.part").touch()
    with locked(folder):
        assert json.loads(folder.lock.read_text())["process"] == os.getpid()
        assert not list(folder.path.glob("*.part"))
    assert not folder.path.exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"host": "x"}', "[" * 3000])
def test_a_damaged_lock_that_nobody_holds_is_stale(content: str, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.lock.write_text(content)
    with locked(folder):
        assert json.loads(folder.lock.read_text())["process"] == os.getpid()


def test_the_lock_of_another_machine_counts(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    content = json.dumps({"host": "elsewhere", "process": 7, "since": "2026-01-01 10:00:00+00:00"})
    folder.lock.write_text(content)
    message = r"process 7 on elsewhere since 2026.*If that process has ended.*delete .*run.lock"
    with pytest.raises(ValueError, match=message), locked(folder):
        raise AssertionError
    assert folder.lock.read_text() == content


def test_a_run_of_a_lost_node_is_taken_over(tmp_path: Path) -> None:
    from taskscape.sweeps.on_ray import _take_over

    folder = RunFolder(tmp_path)
    for host in ("elsewhere", socket.gethostname()):
        folder.lock.write_text(json.dumps({"host": host, "process": 7, "since": "today"}))
        _take_over(folder)
        assert folder.lock.exists() is (host != "elsewhere")
    folder.lock.write_text("torn")
    _take_over(folder)
    assert folder.lock.exists()


@pytest.mark.parametrize(
    ("process", "alive"),
    [(os.getpid(), True), (2**22 + 1, False), (10**30, False)],
    ids=["this", "none", "impossible"],  # workers of pytest-xdist must agree on the names
)
def test_without_locks_of_the_file_system_the_process_decides(
    process: int, alive: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("taskscape.files.lock._try_lock", lambda descriptor: None)
    folder = RunFolder(tmp_path)
    folder.lock.write_text(json.dumps({"host": socket.gethostname(), "process": process, "since": "today"}))
    if alive:
        with pytest.raises(ValueError, match="is being written"), locked(folder):
            raise AssertionError
    else:
        with locked(folder):
            pass


def test_starts_at_one_moment_choose_folders_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from taskscape.run_folder.fresh import fresh_folder

    monkeypatch.chdir(tmp_path)
    assert [fresh_folder(None, "joint") for _ in range(3)] == [Path(f"runs/joint-{n}") for n in (1, 2, 3)]
