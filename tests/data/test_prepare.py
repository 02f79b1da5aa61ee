"""All raw data sets: from fake files in the real layout to the values in the store."""

import json
import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import raw_files
import torch
from PIL import Image

from taskscape.batch import Batch
from taskscape.cli import main
from taskscape.data import Store
from taskscape.data.prepare import prepare
from taskscape.data.readers import Cityscapes, Miniscapes, MtanArrays, Nyuv2, RawData
from taskscape.data.readers.labels import resize_nearest
from taskscape.data.readers.miniscapes import decode_depth, encode_depth, write_miniscapes
from taskscape.data.readers.mtan_arrays import PUBLISHED
from taskscape.modalities import Depth, Normals, Semseg
from taskscape.modalities.class_sets import (
    CITYSCAPES_7,
    CITYSCAPES_19,
    NYUV2_13,
    NYUV2_40,
    from_cityscapes_ids,
    from_nyuv2_ids,
)
from taskscape.serialization import load_name

CITY = {"size": (8, 16), "partial": True}


def stored(data: RawData, raw: Path, split: str = "train") -> tuple[Store, Batch]:
    """Prepare a store from the raw folder, and return it with a batch of the whole split."""
    out = raw.with_name(raw.name + "-store")
    prepare(data, raw, out, processes=1)
    store = Store.open(out, split, verify=True)
    return store, store.gather(range(len(store)), tuple(store.fields), torch.device("cpu"))


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return tmp_path / "raw"


# -- Cityscapes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [19, 7, 2])
def test_cityscapes(raw: Path, classes: int) -> None:
    written = raw_files.cityscapes(raw)
    store, batch = stored(Cityscapes(classes=classes, **CITY), raw)
    assert store.names == ["aachen_000000_000019", "aachen_000002_000019", "bochum_000001_000019"]
    class_set = store.fields["semseg"].classes
    assert len(class_set) == classes and store.fields == {"semseg": Semseg(class_set), "depth": Depth()}
    for index, name in enumerate(store.names):
        files = written[f"train/{name}"]
        assert np.array_equal(batch.image[index].mul(255).round().permute(1, 2, 0), files["leftImg8bit"])
        ids = from_cityscapes_ids(class_set)[files["gtFine"]]
        semseg, depth = batch.targets["semseg"], batch.targets["depth"]
        assert np.array_equal(semseg.valid[index], ids != 255)
        assert np.array_equal(semseg.value[index][semseg.valid[index]], ids[ids != 255])
        p = files["disparity"].astype(float)
        assert np.array_equal(depth.valid[index], p > 1)
        expected = 0.209313 * 2262.52 / ((p[p > 1] - 1) / 256)
        np.testing.assert_allclose(depth.value[index, 0][depth.valid[index]], expected, rtol=1e-6)


def test_cityscapes_ids_by_hand() -> None:
    every = np.arange(34)
    ids = from_cityscapes_ids(CITYSCAPES_7)[every]
    assert ids.tolist() == [255] * 7 + [0] * 4 + [1] * 6 + [2] * 4 + [3] * 2 + [4] + [5] * 2 + [6] * 8
    with pytest.raises(ValueError, match="choose 19, 7 or 2"):
        from_cityscapes_ids(NYUV2_40)


def test_cityscapes_keeps_the_disparity_through_the_camera(raw: Path) -> None:
    written = raw_files.cityscapes(raw, cameras=True)
    store, batch = stored(Cityscapes(**CITY), raw)
    about = store.manifest.source["depth"]
    assert about["camera"] == "read from camera/"
    for index, (name, product) in enumerate(zip(store.names, about["meters_times_pixels"]["train"], strict=True)):
        p = written[f"train/{name}"]["disparity"]
        mask = batch.targets["depth"].valid[index]
        again = product / batch.targets["depth"].value[index, 0][mask].double().numpy() * 256 + 1
        assert np.array_equal(np.rint(again), p[p > 1])


def test_cityscapes_is_made_smaller(raw: Path) -> None:
    written = raw_files.cityscapes(raw)
    store, batch = stored(Cityscapes(size=(4, 8), partial=True, depth=False), raw, "val")
    assert list(store.fields) == ["semseg"]
    files = written[f"val/{store.names[0]}"]
    mean = files["leftImg8bit"].reshape(4, 2, 8, 2, 3).mean((1, 3))
    assert np.abs(batch.image[0].mul(255).permute(1, 2, 0).numpy() - mean).mean() < 15  # Pillow's filter is a triangle
    ids = from_cityscapes_ids(store.fields["semseg"].classes)[resize_nearest(files["gtFine"], (4, 8))]
    assert np.array_equal(batch.targets["semseg"].valid[0], ids != 255)


def remove(kind: str, split: str) -> Callable[[Path], None]:
    return lambda raw: next((raw / kind / split).rglob("*.png")).unlink()


@pytest.mark.parametrize(
    ("spoil", "settings", "message"),
    [
        (
            lambda raw: (raw / "gtFine").rename(raw / "gt"),
            CITY,
            r"lacks gtFine/train, gtFine/val; it holds disparity, gt",
        ),
        (remove("gtFine", "train"), {"size": (8, 16)}, r"train: 1 of 3 gtFine files is missing, such as aachen"),
        (lambda raw: None, {"size": (8, 16)}, r"train has 3 images, 2975 are published: .*--partial"),
        (
            lambda raw: [path.write_bytes(path.read_bytes()[:60]) for path in (raw / "gtFine").rglob("*.png")],
            CITY,
            r"damaged or not an image .*replace the file",
        ),
        (
            lambda raw: [
                Image.fromarray(np.zeros((8, 16), np.uint8)).save(path) for path in (raw / "disparity").rglob("*.png")
            ],
            CITY,
            r"has 8 bits where 16 bits of disparity belong",
        ),
    ],
)
def test_spoilt_cityscapes(raw: Path, spoil: Callable[[Path], None], settings: dict, message: str) -> None:
    raw_files.cityscapes(raw)
    spoil(raw)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        stored(Cityscapes(**settings), raw)


def test_folders_that_are_not_cityscapes(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is not there"):
        Cityscapes().contents(raw)
    raw.mkdir()
    with pytest.raises(FileNotFoundError, match=r"it holds nothing.*cityscapes-dataset\.com"):
        Cityscapes().contents(raw)
    (raw / "leftImg8bit_trainvaltest.zip").touch()
    with pytest.raises(FileNotFoundError, match=r"Unpack leftImg8bit_trainvaltest\.zip there first"):
        Cityscapes().contents(raw)
    with pytest.raises(FileNotFoundError, match="is a file"):
        Cityscapes().contents(raw / "leftImg8bit_trainvaltest.zip")
    raw_files.cityscapes(raw / "inner")
    with pytest.raises(FileNotFoundError, match="inner holds them: give that folder"):
        Cityscapes(**CITY).contents(raw)


# -- the driver ------------------------------------------------------------------------------------------------------


def test_an_interrupted_run_resumes(raw: Path, tmp_path: Path) -> None:
    raw_files.cityscapes(raw)
    seen: list[tuple[int, int]] = []

    def interrupt(done: int, total: int) -> None:
        seen.append((done, total))
        if done == 2 and len(seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(Cityscapes(**CITY), raw, tmp_path / "store", processes=1, report=interrupt)
    manifest = prepare(Cityscapes(**CITY), raw, tmp_path / "store", processes=1, report=interrupt)
    assert seen == [(i, 5) for i in range(1, 6)]
    straight = prepare(Cityscapes(**CITY), raw, tmp_path / "straight", processes=1)
    assert manifest == straight
    inputs = json.loads((tmp_path / "store" / "inputs.json").read_text())
    assert inputs == json.loads((tmp_path / "straight" / "inputs.json").read_text())
    assert len(inputs) == 15
    for name, info in inputs.items():
        content = (raw / name).read_bytes()
        stat = (raw / name).stat()
        changed = max(stat.st_mtime_ns, stat.st_ctime_ns)
        assert info == {"bytes": len(content), "crc32": zlib.crc32(content), "changed_ns": changed}

    again = prepare(Cityscapes(**CITY), raw, tmp_path / "store", report=lambda *_: pytest.fail("prepared again"))
    assert again == manifest
    with pytest.raises(ValueError, match="not empty"):
        prepare(Cityscapes(classes=7, **CITY), raw, tmp_path / "store", processes=1)


def test_two_processes_make_the_same_store_in_shards(raw: Path, tmp_path: Path) -> None:
    raw_files.cityscapes(raw)
    one = prepare(Cityscapes(**CITY), raw, tmp_path / "one", shard=2, processes=1)
    two = prepare(Cityscapes(**CITY), raw, tmp_path / "two", shard=2, processes=2)
    assert one == two and "train/depth-001.npy" in one.files


# -- NYUv2 -----------------------------------------------------------------------------------------------------------


def test_nyuv2_ids_by_hand() -> None:
    """Bed, wall, blinds, coffee table (other furniture) and book (other prop), in the toolbox's numbers."""
    raw_ids = [0, 157, 21, 80, 356, 1]
    assert from_nyuv2_ids(NYUV2_40)[raw_ids].tolist() == [255, 3, 0, 12, 38, 39]
    assert [NYUV2_13.classes[i] for i in from_nyuv2_ids(NYUV2_13)[raw_ids[1:]]] == [
        *("bed", "wall", "window", "furniture", "objects"),
    ]
    assert np.bincount(from_nyuv2_ids(NYUV2_40)[1:]).tolist() == [1] * 37 + [68, 82, 707]


def test_nyuv2(raw: Path) -> None:
    arrays, normal = raw_files.nyuv2(raw)
    store, batch = stored(Nyuv2(classes=40, size=(480, 640)), raw)
    assert store.names == ["0002", "0004"]
    assert store.manifest.source["normals"]["from"] == "depth"
    assert store.manifest.source["archives"].keys() == {"nyu_depth_v2_labeled.mat", "splits.mat"}
    for index, number in enumerate((2, 4)):
        images, depths, labels = (arrays[name][number - 1] for name in ("images", "depths", "labels"))
        assert np.array_equal(batch.image[index].mul(255).round().permute(1, 2, 0), images)
        assert np.array_equal(batch.targets["depth"].value[index, 0], depths)
        ids = from_nyuv2_ids(NYUV2_40)[labels]
        assert np.array_equal(batch.targets["semseg"].valid[index], labels > 0)
        assert np.array_equal(batch.targets["semseg"].value[index][labels > 0], ids[labels > 0])
        normals = batch.targets["normals"]
        assert normals.valid[index, 4:-4, 4:-4].all() and normals.valid[index].sum() == 472 * 632
        cosine = (normals.value[index] * torch.from_numpy(normal)[:, None, None]).sum(0)
        assert cosine[normals.valid[index]].min() > 0.999


def test_nyuv2_smaller_cropped_raw_and_with_normals_in_files(raw: Path) -> None:
    arrays, normal = raw_files.nyuv2(raw)
    for number in range(1, 5):
        vectors = np.tile(normal * np.array([-1, 1, -1]), (480, 640, 1))
        raw_files.save(raw / "normals" / f"{number:04d}.png", np.rint((vectors + 1) * 127.5).astype(np.uint8))
    store, batch = stored(Nyuv2(size=(213, 280), crop=True, depth="raw"), raw, "val")
    assert store.names == ["0001", "0003"] and store.manifest.source["normals"]["axes"] == "(-x, y, -z)"
    cropped = arrays["rawDepths"][2, 45:471, 41:601]
    depth = batch.targets["depth"]
    assert np.array_equal(depth.value[1, 0], resize_nearest(cropped, (213, 280)))
    assert not depth.valid[1, :27].any() and depth.valid[1, 28:].all()
    assert batch.targets["normals"].valid.all()
    assert torch.allclose(batch.targets["normals"].value[0, :, 0, 0], torch.from_numpy(normal), atol=0.01)


def test_spoilt_nyuv2(raw: Path) -> None:
    raw_files.nyuv2(raw)
    whole = (raw / "nyu_depth_v2_labeled.mat").read_bytes()
    wrong = raw.with_name("wrong")
    wrong.mkdir()
    with pytest.raises(FileNotFoundError, match=r"lacks nyu_depth_v2_labeled.mat, splits.mat.*cs\.nyu\.edu"):
        Nyuv2().contents(wrong)
    (wrong / "splits.mat").write_bytes(b"<html>not found</html>")
    (wrong / "nyu_depth_v2_labeled.mat").write_bytes(whole)
    with pytest.raises(ValueError, match="not the list of trainNdxs"):
        Nyuv2().contents(wrong)
    half = raw.with_name("half")
    half.mkdir()
    (half / "splits.mat").write_bytes((raw / "splits.mat").read_bytes())
    (half / "nyu_depth_v2_labeled.mat").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="not downloaded completely"):
        Nyuv2().contents(half)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("images", lambda array: array / 255),  # would be stored as 0 and 1
        ("labels", lambda array: array.astype(np.int16) - 1),  # -1 would be the last of the 894
        ("labels", lambda array: array.astype(np.float64)),
        ("depths", lambda array: (array * 1000).astype(np.uint16)),
    ],
)
def test_arrays_of_nyuv2_in_other_types(raw: Path, name: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    raw_files.nyuv2(raw)
    with h5py.File(raw / "nyu_depth_v2_labeled.mat", "r+") as file:
        array = change(file[name][:])
        del file[name]
        file[name] = array
    with pytest.raises(ValueError, match=rf"another file \({name} is not an array of (uint|float)"):
        Nyuv2().contents(raw)


# -- Miniscapes ------------------------------------------------------------------------------------------------------


def test_miniscapes(raw: Path) -> None:
    written = raw_files.miniscapes(raw)
    store, batch = stored(Miniscapes(partial=True), raw)
    assert (store.size, list(store.fields)) == ((6, 10), ["semseg", "depth"])
    for index, name in enumerate(store.names):
        files = written[f"train/{name}"]
        assert np.array_equal(batch.targets["semseg"].valid[index], files["semseg"] != 255)
        assert np.array_equal(batch.targets["depth"].valid[index], files["depth"] > 0)
        depth = batch.targets["depth"].value[index, 0]
        assert depth[0, 1] == pytest.approx(300) and depth[0, 2] == pytest.approx(4)
        assert torch.allclose(batch.image[index], torch.tensor(20 * index / 255), atol=0.01)
    with pytest.raises(ValueError, match="3 images, 20000 are published"):
        Miniscapes().contents(raw)
    next((raw / "train" / "depth").iterdir()).unlink()
    with pytest.raises(ValueError, match=r"train: 1 of 3 depth files is missing"):
        Miniscapes().contents(raw)


def test_generated_streets(raw: Path) -> None:
    from taskscape.streets import render

    write_miniscapes(raw, "train", 2, (16, 32), samples=1, processes=1)
    store, batch = stored(Miniscapes(), raw)
    assert list(store.fields) == ["semseg", "depth", "normals"]
    assert store.manifest.source["generated"]["train"]["seed"] == 0
    scene = render(0, "train", 1, (16, 32), 1)
    depth, normals = batch.targets["depth"], batch.targets["normals"]
    assert np.array_equal(depth.valid[1], scene.depth > 0) and np.array_equal(normals.valid[1], scene.depth > 0)
    near = (scene.depth > 4) & (scene.depth < 20)
    np.testing.assert_allclose(depth.value[1, 0].numpy()[near], scene.depth[near], rtol=0.02)
    cosine = (normals.value[1].permute(1, 2, 0).numpy() * scene.normals).sum(-1)
    assert cosine[scene.depth > 0].min() > 0.999
    assert decode_depth(np.array([1, 255])).tolist() == pytest.approx([300, 4])


def test_disparity_of_8_bits() -> None:
    meters = np.array([0, 1, 4, 300, 1000], np.float32)
    assert encode_depth(meters).tolist() == [0, 255, 255, 1, 1]
    levels = np.arange(1, 256)
    assert np.array_equal(encode_depth(decode_depth(levels)), levels)


# -- MTAN's arrays ---------------------------------------------------------------------------------------------------


def test_mtan_cityscapes(raw: Path) -> None:
    written, _ = raw_files.mtan(raw, "cityscapes")
    store, batch = stored(MtanArrays("cityscapes", partial=True), raw)
    assert store.names == [str(number) for number in range(12)]  # 2 comes before 10
    assert store.fields == {"semseg": Semseg(CITYSCAPES_19), "depth": Depth()}
    scale = store.manifest.source["depth"]["meters_at_inverse_1"]
    assert scale == pytest.approx(1.8499, rel=1e-5)
    for index in (2, 10):
        files = written[index]
        assert np.abs(batch.image[index].permute(1, 2, 0).numpy() - files["image"]).max() <= 0.5 / 255 + 1e-6
        semseg, depth = batch.targets["semseg"], batch.targets["depth"]
        assert np.array_equal(np.where(semseg.valid[index], semseg.value[index], -1), files["label"])
        mask = files["depth"][..., 0] > 0
        assert np.array_equal(depth.valid[index], mask)
        np.testing.assert_allclose(scale / depth.value[index, 0][mask], files["depth"][..., 0][mask], rtol=1e-5)


@pytest.mark.parametrize("normals", [True, False])
def test_mtan_nyuv2(raw: Path, normals: bool) -> None:
    written, normal = raw_files.mtan(raw, "nyuv2", count=3, normals=normals)
    store, batch = stored(MtanArrays("nyuv2", partial=True), raw, "train")
    assert tuple(store.fields.values()) == (Semseg(NYUV2_13), Depth(), Normals())[: 2 + normals]
    depth = batch.targets["depth"]
    np.testing.assert_allclose(depth.value[0, 0][depth.valid[0]], written[0]["depth"][1:].ravel())
    if normals:
        assert store.manifest.source["normals"]["axes"] == "(x, -y, -z)"
        target = batch.targets["normals"]
        assert not target.valid[:, :, :2].any() and target.valid[:, :, 2:].all()
        assert torch.allclose(target.value[0, :, 5, 5], torch.from_numpy(normal), atol=0.01)


def test_spoilt_mtan(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw_files.mtan(raw, "nyuv2", count=2)
    with pytest.raises(ValueError, match="train has 2 images, 795 are published"):
        MtanArrays("nyuv2").contents(raw)
    monkeypatch.setitem(PUBLISHED["cityscapes"], "train", 2)
    with pytest.raises(ValueError, match="Or pass --of cityscapes"):
        MtanArrays("nyuv2").contents(raw)
    with pytest.raises(ValueError, match="choose 19, 7 or 2 for cityscapes"):
        MtanArrays("cityscapes", classes=13).contents(raw)
    with pytest.raises(ValueError, match=r"has id 1\d, and 7 classes end at 6: .*--labels"):
        stored(MtanArrays("cityscapes", classes=7, partial=True), raw)
    with pytest.raises(FileNotFoundError, match="train/label_7"):
        MtanArrays("cityscapes", classes=7, labels="label_7").contents(raw)
    for path in raw.glob("*/normal/*.npy"):
        np.save(path, np.random.default_rng(0).normal(size=(30, 40, 3)))
    with pytest.raises(ValueError, match="do not fit the depth in any axes"):
        MtanArrays("nyuv2", partial=True).contents(raw)


# -- a user's own reader ---------------------------------------------------------------------------------------------

MY = """
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from taskscape.batch import Sample, Target
from taskscape.data import RawData, RawIndex, RawSample
from taskscape.modalities import Modality


@dataclass(frozen=True)
class Heat(Modality):
    name: ClassVar[str] = "heat"
    dtype: ClassVar[str] = "float32"
    sentinel: ClassVar[int | None] = -300

    @property
    def unit(self):
        return "kelvin"

    def check(self, values):
        pass

    def unpack(self, stored):
        return Target(stored.unsqueeze(1), stored > -273)


@dataclass(frozen=True)
class Cameras(RawData):
    '''Pairs of arrays.'''

    name: ClassVar[str] = "cameras"

    offset: float = 0.0
    '''Added to every temperature.'''

    def contents(self, raw):
        samples = [RawSample(path.stem, {"heat": path}) for path in sorted(raw.glob("*.npy"))]
        splits = {"train": samples[:2], "val": samples[2:]}
        return RawIndex((2, 3), splits, {"warm": Heat()}, {}, partial(read, offset=self.offset))


def read(raw, offset):
    heat = np.load(raw.files["heat"])
    image = np.zeros((2, 3, 3), np.uint8)
    return Sample({"image": image, "warm": heat + offset}, {"warm": np.isfinite(heat)}, raw.name)


class NoData:
    pass
"""


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_reader_of_a_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my.py").write_text(MY)
    for index in range(3):
        raw_files.save(Path("raw") / f"{index}.npy", np.array([[index, 1, 2], [3, 4, np.nan]], np.float32))
    main(["prepare", "my.py:Cameras", "raw", "store", "--offset", "20", "--processes", processes])
    store = Store.open(Path("store"), "val", verify=True)
    assert store.manifest.source["kind"] == "cameras" and store.manifest.source["settings"] == {"offset": 20.0}
    assert store.fields["warm"].unit == "kelvin" and store.names == ["2"]
    target = store.gather([0], ["warm"], torch.device("cpu")).targets["warm"]
    assert target.value[0, 0, 0].tolist() == [22, 21, 22] and target.valid[0, 1].tolist() == [True, True, False]


def test_names_that_a_reader_gives_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Statistics and predictions are kept by name."""
    monkeypatch.chdir(tmp_path)
    Path("my.py").write_text(MY.replace("RawSample(path.stem,", 'RawSample("a",'))
    for index in range(3):
        raw_files.save(Path("raw") / f"{index}.npy", np.zeros((2, 3), np.float32))
    with pytest.raises(ValueError, match=r"contents .*gives 2 images of train the name 'a': give each its own"):
        prepare(load_name(Path("my.py"), "Cameras")(), "raw", "store", processes=1)


def test_what_is_no_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my.py").write_text(MY)
    for name, message in (
        ("my.py:NoData", "my.py:NoData must be a dataclass that derives from taskscape.data.RawData"),
        ("my.py:Camera", "did you mean Cameras?"),
        ("citiscapes", "did you mean cityscapes?"),
    ):
        with pytest.raises(SystemExit):
            main(["prepare", name, "raw", "store"])
        assert message in " ".join(capsys.readouterr().err.split())
