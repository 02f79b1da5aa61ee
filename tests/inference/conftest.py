"""An untrained run, and its predictor at the resolution of images."""

from pathlib import Path

import pytest

from predicting import make_run, three_tasks
from taskscape.inference import Predictor, load


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("run"), three_tasks())


@pytest.fixture(scope="session")
def predictor(run: Path) -> Predictor:
    return load(run, native_resolution=True, device="cpu")
