"""Runs on disk for reports."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import fake_runs
import pytest


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """``fake_runs.make_run`` in the folder of this test."""
    return partial(fake_runs.make_run, tmp_path)
