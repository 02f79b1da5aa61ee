"""A report can be written without torch; a store can be read without matplotlib."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("module", "absent"),
    [("taskscape.report", "torch"), ("taskscape.metrics", "torch"), ("taskscape.run_folder", "torch"),
     ("taskscape.data", "matplotlib")],
)  # fmt: skip
def test_imports_without(module: str, absent: str) -> None:
    code = f"import sys; sys.modules['{absent}'] = None; import {module}"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
