"""The tests of this folder, each file in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
ALONE = "TASKSCAPE_TEST_EXPORT"


@pytest.mark.skipif(ALONE in os.environ, reason="this is such a process")
@pytest.mark.parametrize("file", ["test_export.py", "test_int8.py"])
def test_in_a_process_of_its_own(file: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")} | {ALONE: "1"}
    command = [sys.executable, "-m", "pytest", "-p", "no:xdist", FOLDER / file]
    done = subprocess.run(command, cwd=FOLDER.parents[1], env=environment, capture_output=True, text=True, timeout=1500)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
