"""A run with a tiny network, for videos."""

from pathlib import Path

import pytest

from predicting import make_run, three_tasks
from taskscape.inference import Predictor, load

pytest.importorskip("av", reason="pip install 'taskscape[video]'")


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("run"), three_tasks())


@pytest.fixture(scope="session")
def predictor(tiny_run: Path) -> Predictor:
    return load(tiny_run, native_resolution=True, device="cpu")
