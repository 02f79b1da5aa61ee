"""A run to export."""

from dataclasses import replace
from pathlib import Path

import pytest

import taskscape
from taskscape import models, recipes
from taskscape.data import Packed


@pytest.fixture(scope="session")
def run(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished run with three tasks."""
    network = models.DeeplabBranchedConfig(encoder="resnet10t", output_stride=32)
    experiment = replace(
        recipes.three_tasks(), network=network, data=Packed(store), epochs=1, batch_size=4, device="cpu"
    )
    folder = tmp_path_factory.mktemp("runs") / "run"
    taskscape.train(experiment, folder, quiet=True)
    return folder
