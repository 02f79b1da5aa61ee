"""Worker processes end with the process that started them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PARENT = """
import os, sys, time
from pathlib import Path
from taskscape.parallel import parallel_map

def job(folder):
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(600)

list(parallel_map(job, [(sys.argv[1],)] * 3, 3, 3))
"""


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    # Without an init process, nobody waits for an orphan, and it stays in the process table.
    status = Path(f"/proc/{process}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] not in ("Z", "X")


def wait_until(condition: object, deadline: float = 120.0) -> None:
    end = time.monotonic() + deadline
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.05)


def started(folder: Path) -> tuple[subprocess.Popen[bytes], list[int]]:
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(folder)], stderr=subprocess.DEVNULL, start_new_session=True
    )
    wait_until(lambda: len(list(folder.iterdir())) == 3 or process.poll() is not None)
    workers = [int(path.name) for path in folder.iterdir()]
    assert len(workers) == 3 and all(map(is_alive, workers))
    return process, workers


def test_workers_end_with_a_killed_parent(tmp_path: Path) -> None:
    process, workers = started(tmp_path)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=60)
    wait_until(lambda: not any(map(is_alive, workers)))


@pytest.mark.parametrize("path", [os.environ["PATH"], "/nowhere"], ids=["programs", "no programs"])
def test_workers_end_when_all_are_interrupted(tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", path)  # slim containers lack pgrep
    process, workers = started(tmp_path)
    os.killpg(process.pid, signal.SIGTERM)
    try:
        assert process.wait(timeout=60) != 0
    finally:
        process.kill()
    wait_until(lambda: not any(map(is_alive, workers)))
