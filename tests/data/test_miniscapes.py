"""Generated streets as files in the layout of Miniscapes: what ``taskscape synth`` writes."""

import errno
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from taskscape.data.readers.miniscapes import write_miniscapes
from taskscape.modalities.class_sets import CITYSCAPES_19
from taskscape.streets import GRAMMAR_VERSION, render

SIZE = (32, 64)


def contents(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_files_hold_the_scene(tmp_path: Path) -> None:
    write_miniscapes(tmp_path, "val", 1, SIZE, 1, seed=4, processes=1)
    scene, folder = render(4, "val", 0, SIZE, 1), tmp_path / "val"
    rgb = np.asarray(Image.open(folder / "rgb/000000.jpg")).astype(int)
    assert np.abs(rgb - scene.image).mean() < 12
    semseg = Image.open(folder / "semseg/000000.png")
    assert semseg.mode == "P"
    np.testing.assert_array_equal(np.asarray(semseg), scene.semseg)
    np.testing.assert_array_equal(np.asarray(semseg.convert("RGB")), CITYSCAPES_19.colors()[scene.semseg])
    level = np.asarray(Image.open(folder / "depth/000000.png")).astype(float)
    np.testing.assert_array_equal(level == 0, scene.depth == 0)
    disparity = 1 / 300 + (level - 1) / 254 * (1 / 4 - 1 / 300)
    valid = (scene.depth > 4) & (scene.depth < 300)
    np.testing.assert_allclose(disparity[valid], 1 / scene.depth[valid], atol=0.5 / 254 * 0.25)
    coded = np.asarray(Image.open(folder / "normals/000000.png"))
    np.testing.assert_array_equal((coded == 0).all(-1), scene.depth == 0)
    np.testing.assert_allclose((coded / 255 * 2 - 1)[valid], scene.normals[valid], atol=0.005)
    assert json.loads((folder / "camera/000000.json").read_text()) == pytest.approx(scene.camera._asdict())
    assert json.loads((folder / "streets.json").read_text())["grammar_version"] == GRAMMAR_VERSION


def test_resumes_and_any_number_of_processes_gives_the_same_files(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    seen: list[tuple[int, int]] = []
    write_miniscapes(one, "train", 5, SIZE, 1, processes=1, report=lambda *progress: seen.append(progress))
    assert seen == [(i, 5) for i in range(6)]
    write_miniscapes(two, "train", 2, SIZE, 1, processes=1)
    (two / "train/depth/000001.png").unlink()
    kept = (two / "train/rgb/000000.jpg").stat().st_mtime_ns
    seen.clear()
    write_miniscapes(two, "train", 5, SIZE, 1, processes=2, report=lambda *progress: seen.append(progress))
    assert (seen[0], seen[-1]) == ((1, 5), (5, 5))
    assert (two / "train/rgb/000000.jpg").stat().st_mtime_ns == kept
    assert contents(one) == contents(two)


def test_other_settings_are_refused(tmp_path: Path) -> None:
    write_miniscapes(tmp_path, "test", 1, SIZE, 1, processes=1)
    with pytest.raises(ValueError, match=r"streets\.json.*seed 0 there, 1 here.*another folder"):
        write_miniscapes(tmp_path, "test", 1, SIZE, 1, seed=1, processes=1)
    (tmp_path / "test/streets.json").write_text("{")
    with pytest.raises(ValueError, match=r"streets\.json is not readable"):
        write_miniscapes(tmp_path, "test", 1, SIZE, 1, processes=1)


def test_a_packed_store_gets_no_streets(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(ValueError, match="is a packed store: name another folder"):
        write_miniscapes(tmp_path, "test", 1, SIZE, 1, processes=1)
    assert not (tmp_path / "test").exists()


def test_bad_arguments(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="0 processes"):
        write_miniscapes(tmp_path, "train", 1, SIZE, 1, processes=0)
    with pytest.raises(ValueError, match="count -1"):
        write_miniscapes(tmp_path, "train", -1, SIZE, 1)
    with pytest.raises(ValueError, match="no split 'trian'"):
        write_miniscapes(tmp_path, "trian", 1, SIZE, 1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("file", ["streets.json", "depth/000000.png"])
def test_a_full_disk_names_the_file_and_leaves_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    replace = Path.replace

    def full(self: Path, target: Path) -> Path:
        if Path(target) == tmp_path / "train" / file:
            raise OSError(errno.ENOSPC, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match=rf"could not write .*{file}: No space left") as caught:
        write_miniscapes(tmp_path, "train", 1, SIZE, 1, processes=1)
    assert caught.value.errno == errno.ENOSPC
    assert not list(tmp_path.rglob("*.part"))


def test_a_stopped_caller_stops_the_pool(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_miniscapes(tmp_path, "train", 200, SIZE, 1, processes=2, report=stop)
    assert len(list(tmp_path.rglob("*.jpg"))) < 60
    write_miniscapes(tmp_path, "train", 6, SIZE, 1, processes=1)  # continues over existing files
    for path in tmp_path.rglob("*.png"):
        Image.open(path).load()


def test_workers_do_not_import_torch() -> None:
    code = "import taskscape.streets, taskscape.data.readers.miniscapes, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
