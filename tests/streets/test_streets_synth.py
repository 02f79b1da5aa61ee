"""Scenes as files."""

import errno
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from taskscape.modalities.class_sets import CITYSCAPES_19
from taskscape.streets import GRAMMAR_VERSION, render, synth, write_miniscapes

SIZE = (32, 64)


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_files_hold_the_scene(tmp_path):
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


def test_resumes_and_any_number_of_processes_gives_the_same_files(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    seen = []
    write_miniscapes(one, "train", 5, SIZE, 1, processes=1, report=seen.append)
    assert [(p.done, p.total, p.skipped) for p in seen] == [(i, 5, 0) for i in range(6)]
    write_miniscapes(two, "train", 2, SIZE, 1, processes=1)
    (two / "train/depth/000001.png").unlink()
    kept = (two / "train/rgb/000000.jpg").stat().st_mtime_ns
    seen.clear()
    write_miniscapes(two, "train", 5, SIZE, 1, processes=2, report=seen.append)
    assert (seen[0].done, seen[0].skipped, seen[-1].done) == (1, 1, 5)
    assert (two / "train/rgb/000000.jpg").stat().st_mtime_ns == kept
    assert contents(one) == contents(two)


def test_other_settings_are_refused(tmp_path):
    write_miniscapes(tmp_path, "test", 1, SIZE, 1, processes=1)
    with pytest.raises(ValueError, match=r"streets\.json.*seed 0 there, 1 here.*another folder"):
        write_miniscapes(tmp_path, "test", 1, SIZE, 1, seed=1, processes=1)
    (tmp_path / "test/streets.json").write_text("{")
    with pytest.raises(ValueError, match=r"streets\.json is not readable"):
        write_miniscapes(tmp_path, "test", 1, SIZE, 1, processes=1)


def test_bad_arguments(tmp_path):
    with pytest.raises(ValueError, match="0 processes"):
        write_miniscapes(tmp_path, "train", 1, SIZE, 1, processes=0)
    with pytest.raises(ValueError, match="count -1"):
        write_miniscapes(tmp_path, "train", -1, SIZE, 1)


def test_full_disk_names_the_file_and_leaves_no_draft(tmp_path, monkeypatch):
    def full(self, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "train").mkdir()
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match=r"No space left.*streets\.json") as caught:
        write_miniscapes(tmp_path, "train", 1, SIZE, 1, processes=1)
    assert caught.value.errno == errno.ENOSPC
    assert not list(tmp_path.rglob("*.part"))


def test_a_stopped_caller_stops_the_pool(tmp_path):
    def stop(progress):
        if progress.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_miniscapes(tmp_path, "train", 200, SIZE, 1, processes=2, report=stop)
    assert len(list(tmp_path.rglob("*.jpg"))) < 60
    write_miniscapes(tmp_path, "train", 6, SIZE, 1, processes=1)  # goes on over what was left
    for path in tmp_path.rglob("*.png"):
        Image.open(path).load()


def test_depth_code():
    depth = np.array([0, 1, 4, 300, 1000], np.float32)
    np.testing.assert_array_equal(synth.encode_depth(depth), [0, 255, 255, 1, 1])


def test_workers_do_not_import_torch():
    code = "import taskscape.streets, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
