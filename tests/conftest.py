"""Fixtures and settings that many tests need."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from blocks import pack

torch.set_num_threads(int(os.environ.get("TASKSCAPE_TEST_THREADS", "1")))  # workers of pytest-xdist share the cores
os.environ["LOKY_MAX_CPU_COUNT"] = "1"  # and start no more processes, except where a test asks for them
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as in the background of a script: commands would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The cache folder of the session, so that tests neither use nor fill that of the user."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TASKSCAPE_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A packed store of ten training and six validation images with all labels."""
    return pack(tmp_path_factory.mktemp("data") / "blocks")
