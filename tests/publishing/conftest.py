"""A trained run, the same run as a released model, and a hub in a local folder."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from local_hub import Hub

import taskscape
from taskscape import hub, models, recipes, released
from taskscape.data import Packed
from taskscape.publishing import About, publish


@pytest.fixture(scope="session")
def run(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run with three tasks and a network of the package."""
    network = models.DeeplabJointConfig(encoder="resnet10t", output_stride=32, width=16, fine_skip=True)
    experiment = replace(
        recipes.three_tasks(), network=network, data=Packed(store.resolve()), epochs=1, batch_size=4, device="cpu"
    )
    folder = tmp_path_factory.mktemp("runs") / "rooms"
    taskscape.train(experiment, folder, quiet=True)
    return folder


@pytest.fixture
def release(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Replace the released model by a test run, and return its name."""
    monkeypatch.setattr(released, "FOLDER", tmp_path / "released")
    about = About(released.DEFAULT, "mit", "CC0-1.0", "rooms of two classes")
    publish(run, tmp_path / "released" / "streets-small", about, half=True, precision="fp32")
    return released.DEFAULT


@pytest.fixture
def local_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Provide a hub on this machine that accepts logins; the test folder is the current folder."""
    stand_in = Hub(tmp_path / "hub")
    monkeypatch.setenv("TASKSCAPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(hub, "unreachable", lambda: "")
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: "token")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", stand_in.snapshot_download)
    for name in ("create_repo", "model_info", "upload_folder"):
        method: Any = getattr(stand_in, name)
        monkeypatch.setattr(huggingface_hub.HfApi, name, lambda self, *args, _method=method, **kw: _method(*args, **kw))
    monkeypatch.chdir(tmp_path)
    yield stand_in
