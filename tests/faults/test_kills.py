"""A run that is killed at a dozen moments and resumed gives the same result as one that is not killed."""

import subprocess
import sys
from pathlib import Path

import pytest
from runs_compared import differences

DYING = Path(__file__).parent / "dying.py"


@pytest.mark.parametrize(("method", "kills"), [("fixed", 9), ("famo", 5)])
def test_a_run_survives_kills(method: str, kills: int, store: Path, tmp_path: Path) -> None:
    command = [sys.executable, DYING, store, tmp_path, method, "1", str(kills), "4"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout.split()[0]) >= kills - 2
    assert differences(tmp_path / "whole", tmp_path / "killed") == []
