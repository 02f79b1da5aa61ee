"""The script that makes a released model from a run."""

import importlib.util
import tarfile
from pathlib import Path
from types import ModuleType

import pytest

from taskscape import released
from taskscape.released.listing import front_matter
from taskscape.state_dicts import read_safetensors

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "release.py"


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("release_script", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(released, "FOLDER", tmp_path / "package")
    monkeypatch.setattr(module, "PICTURE", tmp_path / "released.jpg")
    return module


def test_a_run_becomes_a_released_model(
    script: ModuleType, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = tmp_path / "away" / "streets-small"
    monkeypatch.setattr("sys.argv", ["release.py", str(run), "--into", str(away)])
    script.main()
    with tarfile.open(tmp_path / "streets-small.tar", "w") as archive:
        archive.add(away, "streets-small")
    monkeypatch.setattr("sys.argv", ["release.py", str(tmp_path / "streets-small.tar")])
    script.main()
    assert released.names() == [released.DEFAULT] and script.PICTURE.stat().st_size < 300_000
    here = released.find(released.DEFAULT)
    first, second = (read_safetensors(folder / "model.safetensors") for folder in (away, here))
    assert all((first[name] == second[name]).all() for name in first)
    made = [front_matter(folder / "README.md")["taskscape"]["made"] for folder in (away, here)]
    assert (
        made[0]["agreement"] == made[1]["agreement"] and made[1]["half"] is True
    )  # compared with the run, not with itself


def test_a_large_one_is_refused(script: ModuleType, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(released, "MOST_BYTES", 1_000_000)
    monkeypatch.setattr("sys.argv", ["release.py", str(run)])
    with pytest.raises(SystemExit, match="more than a released model may have"):
        script.main()
    assert not (tmp_path / "package" / "streets-small").exists()
