"""Two processes train, and one is killed: the other reports it and ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from test_stopped import RECIPE

from taskscape.run_folder import RunFolder
from taskscape.training import checkpoint

BOTH = """
import os, signal, sys
from taskscape.cli import main
from taskscape.training.step import TrainingStep

usual = TrainingStep.__call__

def step(self, batch, number):
    if number == 3 and os.environ["RANK"] == "1":
        os.kill(os.getpid(), signal.SIGKILL)
    return usual(self, batch, number)

TrainingStep.__call__ = step
main(["train", "my.py:recipe", "--out", "run"])
"""


def test_the_rest_says_that_one_is_dead_and_ends(store: Path, tmp_path: Path) -> None:
    (tmp_path / "store").symlink_to(store)
    (tmp_path / "my.py").write_text(RECIPE)
    (tmp_path / "both.py").write_text(BOTH)
    rendezvous = {"MASTER_ADDR": "localhost", "MASTER_PORT": str(20_000 + os.getpid() % 20_000), "WORLD_SIZE": "2"}
    processes = [
        subprocess.Popen(
            [sys.executable, "both.py"],
            cwd=tmp_path,
            env=os.environ | rendezvous | {"RANK": rank, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": "2"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in ("0", "1")
    ]
    first, second = processes
    assert second.wait() == -signal.SIGKILL
    ended = time.monotonic()
    _, said = first.communicate()
    assert time.monotonic() - ended < 300  # torch's own timeout is half an hour
    assert first.returncode == 1, said
    said = " ".join(said.split())
    assert "another process of this run has ended" in said and "taskscape train --resume run" in said
    assert "Traceback" not in said
    folder = RunFolder(tmp_path / "run")
    assert checkpoint.load(folder.checkpoint)["step"] > 0 and not folder.lock.exists()
