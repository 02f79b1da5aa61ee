"""Networks are exported once, cached by their content, and named after their runs."""

import os
import re
import shutil
from pathlib import Path

import pytest

from taskscape import released
from taskscape.app import networks
from taskscape.app.networks import PAGE, prepare
from taskscape.export.web import PageModel, write_folder

MODEL = "taskscape/streets-small"


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Path]:
    """Replace the export, which takes a minute, and return the exported runs in order."""
    runs: list[Path] = []

    def export(run: Path, to: str, folder: Path, *, confidence: bool) -> None:
        assert to == "web" and confidence  # tasks of classes have confidences
        runs.append(Path(run))
        write_folder([PageModel({"name": Path(run).name}, {}, str(len(runs)), 16, {})], folder / PAGE)

    monkeypatch.setattr(networks, "export", export)
    monkeypatch.setenv("TASKSCAPE_CACHE", str(tmp_path / "cache"))
    return runs


def copy(folder: Path) -> Path:
    """Return a run: a copy of the released model in another folder."""
    shutil.copytree(released.find(MODEL), folder)
    return folder


def test_a_network_is_exported_once_whatever_it_is_called(exported: list[Path], tmp_path: Path) -> None:
    told: list[str] = []
    run = copy(tmp_path / "runs" / "joint")
    first = prepare([run, MODEL], told.append)
    assert [one.about["name"] for one in first] == ["joint", MODEL]
    assert len(exported) == 1 and len(told) == 1 and "joint" in told[0]
    assert [one.content for one in first] == ["1", "1"]
    assert [one.content for one in prepare([MODEL], told.append)] == ["1"]
    assert len(exported) == 1
    (run / "experiment.yaml").write_text((run / "experiment.yaml").read_text() + "\n# other settings\n")
    assert prepare([run], told.append)[0].content == "2"
    (run / "calibration.json").write_text((run / "calibration.json").read_text() + "\n")
    assert prepare([run], told.append)[0].content == "3"  # with other confidences
    (run / "samples.npz").touch()
    assert prepare([run], told.append)[0].content == "4"  # with other color scales


def test_what_was_kept_and_cannot_be_read_is_made_again(exported: list[Path], tmp_path: Path) -> None:
    prepare([MODEL], lambda text: None)
    (index,) = (tmp_path / "cache").rglob("index.html")
    index.write_text("<p>of an earlier version</p>")
    assert prepare([MODEL], lambda text: None)[0].content == "2"
    assert prepare([MODEL], lambda text: None)[0].content == "2"
    assert len(list((tmp_path / "cache" / "app").iterdir())) == 1


def test_what_a_killed_process_left_is_removed(exported: list[Path], tmp_path: Path) -> None:
    (tmp_path / "cache" / "app" / "part").mkdir(parents=True)
    (tmp_path / "cache" / "app" / "part" / "model.onnx").write_bytes(b"half")
    assert prepare([MODEL], lambda text: None)[0].content == "1"
    (folder,) = (tmp_path / "cache" / "app").iterdir()
    assert not (folder / "model.onnx").exists()


def test_what_another_process_exported_meanwhile_is_used(exported: list[Path], tmp_path: Path) -> None:
    told: list[str] = []

    def other_is_faster(text: str) -> None:
        if not told:
            told.append(text)
            prepare([MODEL], told.append)

    assert prepare([MODEL], other_is_faster)[0].content == "1" and len(exported) == 1


def test_networks_that_were_used_longest_ago_make_room(
    exported: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    runs = [copy(tmp_path / name) for name in ("a", "b", "c", "d")]
    for number, run in enumerate(runs):
        (run / "experiment.yaml").write_text((run / "experiment.yaml").read_text() + f"\n# {number}\n")
    for run in runs[:3]:
        prepare([run], lambda text: None)
    folders = list((tmp_path / "cache" / "app").iterdir())
    size = sum(file.stat().st_size for file in folders[0].rglob("*"))
    for folder in folders:
        os.utime(folder, (0, 0))
    prepare([runs[0]], lambda text: None)
    assert len(exported) == 3
    monkeypatch.setattr(networks, "MOST_BYTES", 2.5 * size)
    prepare([runs[3]], lambda text: None)
    assert len(list((tmp_path / "cache" / "app").iterdir())) == 2
    prepare([runs[0], runs[3]], lambda text: None)
    assert len(exported) == 4  # the most recently used ones
    monkeypatch.setattr(networks, "MOST_BYTES", 0)
    assert len(prepare(runs[:2], lambda text: None)) == 2  # networks in use are kept
    assert len(list((tmp_path / "cache" / "app").iterdir())) == 2


def test_runs_of_one_name_are_told_apart_by_their_folders(exported: list[Path], tmp_path: Path) -> None:
    runs = [copy(tmp_path / place) for place in ("a/x/run", "b/x/run", "b/other")]
    names = [one.about["name"] for one in prepare([*runs, runs[0] / ".." / "run"], lambda text: None)]
    assert names == ["a/x/run", "b/x/run", f"{tmp_path.name}/b/other"]


def test_runs_are_looked_at_before_the_first_is_exported(exported: list[Path], tmp_path: Path) -> None:
    unfinished = copy(tmp_path / "unfinished")
    (unfinished / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"unfinished has no best\.safetensors: train it"):
        prepare([MODEL, unfinished], lambda text: None)
    damaged = copy(tmp_path / "damaged")
    (damaged / "model.safetensors").write_bytes(b"cut off")
    with pytest.raises(ValueError, match=r"damaged cannot run in a browser: .*model\.safetensors"):
        prepare([damaged, MODEL], lambda text: None)
    assert not exported


def test_a_run_without_weights_is_trained_by_a_command_that_can_be_copied(exported: list[Path], tmp_path: Path) -> None:
    run = copy(tmp_path / "my run")
    (run / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=rf"`taskscape train --resume '{re.escape(str(run))}'`"):
        prepare([run], lambda text: None)


def test_what_fails_leaves_nothing(exported: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(run: Path, to: str, folder: Path, *, confidence: bool) -> None:
        folder.mkdir()
        (folder / "model.onnx").write_bytes(b"half")
        raise ValueError("it computed other values")

    monkeypatch.setattr(networks, "export", fail)
    with pytest.raises(ValueError, match=f"{MODEL} cannot run in a browser: it computed other values"):
        prepare([MODEL], lambda text: None)
    assert not list((tmp_path / "cache" / "app").iterdir())


def test_a_cache_that_cannot_be_written_is_named(exported: list[Path], tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(OSError, match=r"could not write .*cache"):
        prepare([MODEL], lambda text: None)
