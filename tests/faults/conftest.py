"""Runs without a fault."""

import functools
from collections.abc import Callable
from pathlib import Path

import pytest
from dying import experiment

from taskscape import runs


@pytest.fixture(scope="session")
def trained(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """Return a function that gives a finished run with this number of epochs, for tests to read or to copy."""

    @functools.cache
    def train(epochs: int) -> Path:
        folder = tmp_path_factory.mktemp("trained") / f"{epochs}"
        runs.train(experiment(store, epochs=epochs), folder, quiet=True)
        return folder

    return train
