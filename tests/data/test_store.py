import errno
import json
import multiprocessing
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from samples import FIELDS, NAMES, SIZE, sample, without_labels, writer
from torch.utils.data import DataLoader

from taskscape.batch import Batch, Sample, Target
from taskscape.data import Manifest, Store, StoreDataset, StoreWriter
from taskscape.data.sample import sample_values
from taskscape.modalities import Depth, Rgb, Semseg
from taskscape.modalities.class_sets import CITYSCAPES_2, CITYSCAPES_19
from taskscape.serialization import load_name

CPU = torch.device("cpu")
Make = Callable[..., Store]


def same(a: Batch, b: Batch) -> bool:
    flat = [[x.image, x.indices, *(part for target in x.targets.values() for part in target)] for x in (a, b)]
    return a.targets.keys() == b.targets.keys() and all(torch.equal(x, y) for x, y in zip(*flat, strict=True))


def test_a_sample_comes_back_as_it_went_in(make_store: Make) -> None:
    store = make_store()
    assert (len(store), store.size, store.fields) == (7, SIZE, FIELDS)
    assert store.manifest.fields == {"image": Rgb(), **FIELDS}
    assert store.names == [f"street {i}" for i in range(7)]
    batch = store.gather([4, 1], NAMES, CPU)
    assert batch.image.is_contiguous(memory_format=torch.channels_last) and batch.indices.tolist() == [4, 1]
    for position, index in enumerate((4, 1)):
        expected = sample(index)
        assert np.array_equal((batch.image[position] * 255).round().permute(1, 2, 0).numpy(), expected.values["image"])
        for name, target in batch.targets.items():
            valid, value = target.valid[position].numpy(), target.value[position].numpy()
            assert np.array_equal(valid, expected.valid[name])
            assert np.isfinite(value).all()
            label = expected.values[name][valid]
            if name == "normals":
                value = value.transpose(1, 2, 0)[valid]
                angle = np.rad2deg(np.arccos(np.clip((value * label).sum(-1), -1, 1)))
                assert angle.max() < 0.4
                assert np.allclose(np.linalg.norm(value, axis=-1), 1, atol=1e-6)
            else:
                assert np.array_equal(value.reshape(SIZE)[valid], label)
    assert batch.targets["semseg"].value.dtype == torch.int64


@pytest.mark.parametrize("shard", [1, 3, 7, 100])
def test_shards_and_caching_change_nothing(make_store: Make, shard: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, parts = make_store(), make_store(shard=shard, name="parts")
    indices = [6, 0, 3, 3, 2]
    expected = whole.gather(indices, NAMES, CPU)
    assert same(parts.gather(indices, NAMES, CPU), expected)
    with monkeypatch.context() as full:
        full.setattr("taskscape.data.store.free_memory", lambda _: 0)
        assert not parts.cache_on(CPU, NAMES)
    assert parts.cache_on(CPU, NAMES)
    assert same(parts.gather(indices, NAMES, CPU), expected)


@pytest.mark.parametrize("index", [-3, 7])
def test_an_index_outside_the_split(make_store: Make, index: int) -> None:
    """Counted from the end, it would be another image in a store of several files."""
    with pytest.raises(IndexError, match=f"index {index} is outside split 'train' of 7 images"):
        make_store(shard=4).gather([index], NAMES, CPU)


def test_a_sample_has_labels_however_rare_they_are(tmp_path: Path) -> None:
    filling = writer(tmp_path / "rare", train=200)
    for index in range(200):
        filling.put("train", index, sample(index) if index == 1 else without_labels(sample(index)))
    filling.finish()
    values = sample_values(Store.open(tmp_path / "rare", "train"), "depth")
    assert np.array_equal(values, sample(1).values["depth"][sample(1).valid["depth"]])


def test_caching_many_images(make_store: Make) -> None:
    store = make_store(count=130, size=(1, 2))
    expected = store.gather(range(130), NAMES, CPU)
    assert store.cache_on(CPU, NAMES)
    assert same(store.gather(range(130), NAMES, CPU), expected)


def test_a_batch_without_images(make_store: Make) -> None:
    batch = make_store().gather([], NAMES, CPU)
    assert batch.image.shape == (0, 3, *SIZE)
    assert batch.targets["depth"].value.shape == (0, 1, *SIZE)


def test_one_pixel(make_store: Make) -> None:
    store = make_store(count=1, size=(1, 1))
    assert store.gather([0], NAMES, CPU).targets["normals"].value.shape == (1, 3, 1, 1)


def test_a_missing_label_is_a_label_without_valid_pixels(tmp_path: Path) -> None:
    filling = writer(tmp_path / "s", train=1)
    filling.put("train", 0, without_labels(sample(0)))
    filling.finish()
    batch = Store.open(tmp_path / "s", "train").gather([0], NAMES, CPU)
    assert not any(target.valid.any() for target in batch.targets.values())


def test_an_interrupted_store_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "s"
    first = writer(path, shard=2, train=4, val=1)
    first.put("train", 3, sample(3))
    first.put("val", 0, sample(9))
    with (path / "train" / "done.jsonl").open("a") as record:
        record.write('\n[2, "stre')  # killed while writing
    with pytest.raises(ValueError, match=r"unfinished.*run"):
        Store.open(path, "train")
    second = writer(path, shard=2, train=4, val=1)
    assert second.missing("train") == [0, 1, 2] and second.missing("val") == []
    with pytest.raises(ValueError, match="3 images of 'train' are missing"):
        second.finish()
    for index in second.missing("train"):
        second.put("train", index, sample(index))
    second.finish()
    straight = writer(tmp_path / "t", shard=2, train=4, val=1)
    for split, count in straight.manifest.counts.items():
        for index in range(count):
            straight.put(split, index, sample(9 if split == "val" else index))
    straight.finish()
    assert Manifest.of(path) == Manifest.of(tmp_path / "t")  # checksums included
    Store.open(path, "train", verify=True)
    assert {p.name for p in path.iterdir()} == {"manifest.json", "train", "val"}


def _put_some(path: Path, start: int) -> None:
    filling = writer(path, shard=5, train=40)
    for index in range(start, 40, 2):
        filling.put("train", index, sample(index))


def test_several_processes_write_one_store(tmp_path: Path) -> None:
    filling = writer(tmp_path / "s", shard=5, train=40)
    other = multiprocessing.get_context("spawn").Process(target=_put_some, args=(tmp_path / "s", 1))
    other.start()
    _put_some(tmp_path / "s", 0)
    other.join()
    filling.finish()
    store = Store.open(tmp_path / "s", "train", verify=True)
    assert store.names == [f"street {i}" for i in range(40)]
    for index in (0, 17, 39):
        image = store.gather([index], (), CPU).image[0]
        assert np.array_equal((image * 255).round().permute(1, 2, 0).numpy(), sample(index).values["image"])


def _with(one: Sample, name: str, value: float, valid: bool = True) -> Sample:
    label, mask = one.values[name].copy(), one.valid[name].copy()
    label[2, 3], mask[2, 3] = value, valid
    return one._replace(values={**one.values, name: label}, valid={**one.valid, name: mask})


def _replaced(name: str, values: np.ndarray) -> Sample:
    return sample(0)._replace(values={**sample(0).values, name: values})


BAD = {
    "image float": (_replaced("image", np.zeros((*SIZE, 3))), "field image.*float64 instead of uint8: convert"),
    "image size": (sample(0, (6, 9)), r"field image.*\(6, 9, 3\) instead of \(6, 10, 3\)"),
    "no image": (sample(0)._replace(values={}), "field image: every pixel needs a value"),
    "image mask": (
        sample(0)._replace(valid={**sample(0).valid, "image": np.zeros(SIZE, bool)}),
        "field image: every pixel needs a value",
    ),
    "label size": (_replaced("depth", np.ones((6, 9))), r"field depth.*\(6, 9\).*resize"),
    "mask size": (
        sample(0)._replace(valid={**sample(0).valid, "depth": np.ones((6, 9), bool)}),
        r"field depth: the mask is bool \(6, 9\)",
    ),
    "mask dtype": (
        sample(0)._replace(valid={**sample(0).valid, "depth": np.ones(SIZE, np.uint8)}),
        "field depth: the mask is uint8",
    ),
    "no mask": (sample(0)._replace(valid={}), "field semseg: the mask is missing"),
    "class id": (_with(sample(0), "semseg", 19), r"street 0.*field semseg.*\[19\] are outside.*cityscapes-19"),
    "negative id": (_with(sample(0), "semseg", -1), r"\[-1\] are outside"),
    "infinite depth": (_with(sample(0), "depth", np.inf), "field depth.*finite"),
    "no number": (_with(sample(0), "depth", np.nan), "field depth.*finite"),
    "no depth": (_with(sample(0), "depth", 0), "field depth.*positive"),
    "long normal": (_with(sample(0), "normals", 1), "field normals.*unit length"),
    "nan normal": (_with(sample(0), "normals", np.nan), "field normals.*unit length"),
    "list": (
        _replaced("depth", np.ones(SIZE).tolist()),
        "field depth: the values are of type list: return a NumPy array",
    ),
    "tensor": (
        _replaced("depth", torch.ones(SIZE)),
        "field depth: the values are of type Tensor: return a NumPy array",
    ),
    "image file": (
        _replaced("image", Image.new("RGB", SIZE[::-1])),
        "field image: the values are of type Image: return a",
    ),
    "list as mask": (
        sample(0)._replace(valid={**sample(0).valid, "depth": np.ones(SIZE, bool).tolist()}),
        "field depth: the mask is of type list: return a NumPy array",
    ),
    "other field": (_replaced("edges", np.zeros(SIZE)), "no field.*edges"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_samples_are_refused(tmp_path: Path, case: str) -> None:
    bad, message = BAD[case]
    filling = writer(tmp_path / "s", train=1)
    with pytest.raises(ValueError, match=message):
        filling.put("train", 0, bad)
    assert filling.missing("train") == [0]


@pytest.mark.parametrize("size", [(6, 11), (5, 10)])
def test_packed_fields_of_another_size_are_refused(make_store: Make, tmp_path: Path, size: tuple[int, int]) -> None:
    """They would be written over the next image, or over the header of the file."""
    packed, filling = make_store(1, size).stored(0), writer(tmp_path / "s", train=2)
    with pytest.raises(
        ValueError, match=r"'street 0' \(train 0\), field depth: the packed form is float\d\d .* instead of"
    ):
        filling.put("train", 0, sample(0), {"depth": packed["depth"]})


def test_fields_are_modalities(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="field depth is 'metric': give its modality, such as taskscape"):
        StoreWriter(tmp_path / "s", SIZE, {"train": 1}, {"depth": "metric"}, {})
    assert not (tmp_path / "s").exists()


def test_what_is_not_valid_may_hold_anything(tmp_path: Path) -> None:
    filling = writer(tmp_path / "s", train=1)
    one = sample(0)
    for name, value in {"semseg": 200, "depth": np.nan, "normals": np.inf}.items():
        one = _with(one, name, value, valid=False)
    filling.put("train", 0, one)
    assert not filling.missing("train")


def test_impossible_stores_are_refused(tmp_path: Path) -> None:
    for size, counts, shard in (
        ((0, 4), {"train": 1}, None),
        (SIZE, {}, None),
        (SIZE, {"train": 0}, 1),
        (SIZE, {"a": 1}, 0),
    ):
        with pytest.raises(ValueError, match="all must be > 0"):
            writer(tmp_path / "s", size, shard, **counts)
    with pytest.raises(ValueError, match="needs the field 'image' of modality Rgb"):
        StoreWriter(tmp_path / "s", SIZE, {"train": 1}, {"image": Depth()}, {})
    with pytest.raises(ValueError, match="outside split"):
        writer(tmp_path / "s", train=1).put("train", 1, sample(0))


def test_a_split_that_is_not_there_is_met_with_those_that_are(make_store: Make) -> None:
    store = make_store()
    with pytest.raises(ValueError, match=r"no split 'absent', it has \w+(, \w+)*: choose one of them"):
        Store.open(store.path, "absent")


def test_a_writer_does_not_touch_other_things(tmp_path: Path) -> None:
    writer(tmp_path / "s", train=2)
    with pytest.raises(ValueError, match="another store, unfinished"):
        writer(tmp_path / "s", train=3)
    with pytest.raises(ValueError, match="another store, unfinished"):
        StoreWriter(tmp_path / "s", SIZE, {"train": 2}, {**FIELDS, "semseg": Semseg(CITYSCAPES_2)}, {"kind": "test"})
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(
        ValueError, match=r"mine is not empty and holds no store: choose another folder$"
    ):  # not "delete"
        writer(tmp_path / "mine", train=2)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize("file", ["depth-000.npy", "done.jsonl"])
def test_a_full_disk(tmp_path: Path, file: str) -> None:
    filling = writer(tmp_path / "s", train=1)
    (tmp_path / "s" / "train" / file).unlink(missing_ok=True)
    (tmp_path / "s" / "train" / file).symlink_to("/dev/full")
    with pytest.raises(OSError, match=f"could not write .*{file}: No space left.*make room") as caught:
        filling.put("train", 0, sample(0))
    assert caught.value.errno == errno.ENOSPC


def test_a_full_disk_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filling = writer(tmp_path / "s", train=1)
    filling.put("train", 0, sample(0))

    def full(path: Path, *_: object) -> None:
        raise OSError(errno.ENOSPC, f"could not write {path}: No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("taskscape.data.manifest.atomic_write", full)
        with pytest.raises(OSError, match=r"could not write .*manifest.json: No space left"):
            filling.finish()
    writer(tmp_path / "s", train=1).finish()
    assert len(Store.open(tmp_path / "s", "train", verify=True)) == 1


def test_folders_that_are_no_store(tmp_path: Path, make_store: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere is not there.*prepare"):
        Store.open(tmp_path / "nowhere", "train")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=rf"^nowhere is not there \(seen from .*: {tmp_path / 'nowhere'}\)"):
        Store.open("nowhere", "train")
    with pytest.raises(ValueError, match=r"not a store.*manifest\.json"):
        Store.open(tmp_path, "train")
    with pytest.raises(ValueError, match="no split 'val', it has train: choose one of them"):
        Store.open(make_store().path, "val")


def test_damaged_stores(make_store: Make) -> None:
    store = make_store()
    depth = store.path / "train" / "depth-000.npy"
    whole = depth.read_bytes()

    depth.write_bytes(whole[:-1])
    with pytest.raises(ValueError, match=r"depth-000\.npy has \d+ bytes instead of \d+"):
        Store.open(store.path, "train")
    depth.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ValueError, match=r"depth-000\.npy is damaged, the checksum of its block 0 differs"):
        Store.open(store.path, "train")
    with pytest.raises(ValueError, match=r"depth-000\.npy is damaged, its checksum"):
        Store.open(store.path, "train", verify=True)
    for position in range(128):  # the header
        broken = bytearray(whole)
        broken[position] ^= 0x15
        depth.write_bytes(broken)
        try:
            Store.open(store.path, "train")
        except ValueError as error:
            assert "depth-000.npy" in str(error)
    depth.write_bytes(whole.replace(b"(7, 6, 10)", b"(7, 10, 6)"))
    with pytest.raises(ValueError, match=r"depth-000\.npy holds float32 \(7, 10, 6\) instead of"):
        Store.open(store.path, "train")
    depth.unlink()
    with pytest.raises(FileNotFoundError, match=r"depth-000\.npy is missing"):
        Store.open(store.path, "train")


def flips(path: Path, count: int, seed: int) -> Iterator[None]:
    """Flip one random bit of the file at a time."""
    whole, dice = path.read_bytes(), random.Random(seed)
    for _ in range(count):
        damaged = bytearray(whole)
        damaged[dice.randrange(len(whole))] ^= 1 << dice.randrange(8)
        path.write_bytes(damaged)
        yield
    path.write_bytes(whole)


def test_every_flip_in_a_store_is_found(make_store: Make) -> None:
    path = make_store().path
    for seed, file in enumerate(sorted(path.rglob("*.npy"))):
        for _ in flips(file, 10, seed):
            with pytest.raises(ValueError, match=file.name):
                Store.open(path, "train")
    for _ in flips(path / "manifest.json", 60, seed=9):
        with pytest.raises(ValueError, match=r"manifest\.json"):
            Store.open(path, "train")
            Manifest.of(path)
    Store.open(path, "train", verify=True)


def test_some_blocks_of_a_large_store_are_verified(make_store: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each start verifies other blocks, so that damage is detected eventually."""
    monkeypatch.setattr("taskscape.data.manifest.BLOCK", 64)
    monkeypatch.setattr("taskscape.data.store.BLOCK", 64)
    store = make_store()
    image = store.path / "train" / "image-000.npy"
    content = bytearray(image.read_bytes())
    assert len(store.manifest.blocks["train/image-000.npy"]) == 8 * -(-len(content) // 64)
    content[-1] ^= 1
    image.write_bytes(content)
    found = 0
    for _ in range(40):
        try:
            Store.open(store.path, "train")
        except ValueError as error:
            assert f"image-000.npy is damaged, the checksum of its block {(len(content) - 1) // 64} differs" in str(
                error
            )
            found += 1
    assert 0 < found < 40


def test_a_store_without_block_checksums_is_read(make_store: Make) -> None:
    store = make_store()
    replace(store.manifest, blocks={}).save(store.path / "manifest.json")
    assert len(Store.open(store.path, "train")) == 7


def test_the_fingerprint_is_that_of_the_content(make_store: Make, tmp_path: Path) -> None:
    store = make_store()
    again, longer = make_store(name="again"), make_store(count=8, name="longer")
    assert store.manifest.fingerprint == again.manifest.fingerprint != longer.manifest.fingerprint
    filling = writer(tmp_path / "changed", train=7)
    for index in range(7):
        filling.put("train", index, _with(sample(index), "depth", 9.0) if index == 3 else sample(index))
    filling.finish()
    assert Manifest.of(tmp_path / "changed").fingerprint != store.manifest.fingerprint
    other = replace(store.manifest, fields={**store.manifest.fields, "depth": Depth(metric=False)})
    assert other.fingerprint != store.manifest.fingerprint
    assert replace(store.manifest, source={"kind": "elsewhere"}).fingerprint == store.manifest.fingerprint


def test_pickles_are_not_read(make_store: Make) -> None:
    store = make_store()
    image = store.path / "train" / "image-000.npy"
    np.save(image, np.array([{"a": 1}] * 7, object), allow_pickle=True)
    manifest = store.manifest
    info = replace(manifest.files["train/image-000.npy"], bytes=image.stat().st_size)
    replace(manifest, files={**manifest.files, "train/image-000.npy": info}, blocks={}).save(
        store.path / "manifest.json"
    )
    with pytest.raises(ValueError, match=r"image-000\.npy is damaged"):
        Store.open(store.path, "train")


def in_format_1(manifest: Path, unit: str) -> None:
    """Rewrite a manifest in the format of the previous version."""
    content = json.loads(manifest.read_text())
    arrays = {
        "image": ("uint8", [3], "RGB, 0..255", None),
        "semseg": ("uint8", [], "class id", 255),
        "depth": ("float32", [], "meter", 0),
        "normals": ("int8", [3], "1/127", 0),
    }
    content["class_set"] = content["fields"]["semseg"]["classes"]
    keys = ("dtype", "shape", "unit", "sentinel")
    content["fields"] = {name: dict(zip(keys, info, strict=True)) for name, info in arrays.items()}
    content["source"]["depth"] = {"unit": unit}
    del content["blocks"], content["crc32"]
    manifest.write_text(json.dumps({**content, "format": 1}))


@pytest.mark.parametrize(("unit", "metric"), [("meter", True), ("unknown", False)])
def test_stores_of_format_1_are_read(make_store: Make, unit: str, metric: bool) -> None:
    store = make_store()
    expected = store.gather([2, 5], NAMES, CPU)
    in_format_1(store.path / "manifest.json", unit)
    old = Store.open(store.path, "train", verify=True)
    assert old.fields == {**FIELDS, "depth": Depth(metric)}
    assert same(old.gather([2, 5], NAMES, CPU), expected)


def test_fields_are_named_freely(tmp_path: Path) -> None:
    """Two segmentations and two depths in one store, each with its own class set or scale."""
    fields = {
        "parts": Semseg(CITYSCAPES_19),
        "foreground": Semseg(CITYSCAPES_2),
        "lidar": Depth(),
        "stereo": Depth(metric=False),
    }
    filling = StoreWriter(tmp_path / "s", SIZE, {"train": 1}, fields, {"kind": "test"})
    one = sample(0)
    values = {
        "image": one.values["image"],
        "parts": one.values["semseg"],
        "foreground": one.values["semseg"] % 2,
        "lidar": one.values["depth"],
    }
    valid = {"parts": one.valid["semseg"], "foreground": np.ones(SIZE, bool), "lidar": one.valid["depth"]}
    filling.put("train", 0, Sample(values, valid, "one"))
    with pytest.raises(ValueError, match=r"field foreground: ids .*are outside class set 'cityscapes-2'"):
        filling.put("train", 0, Sample({**values, "foreground": values["parts"]}, valid, "one"))
    filling.finish()
    store = Store.open(tmp_path / "s", "train", verify=True)
    assert store.fields == fields
    targets = store.gather([0], ["foreground", "parts", "stereo"], CPU).targets
    assert list(targets) == ["foreground", "parts", "stereo"]
    assert np.array_equal(targets["foreground"].value[0], values["foreground"])
    assert np.array_equal(targets["parts"].value[0][targets["parts"].valid[0]], values["parts"][valid["parts"]])
    assert not targets["stereo"].valid.any()
    with pytest.raises(ValueError, match=r"no labels 'part'; did you mean parts\?"):
        store.gather([0], ["part"], CPU)


HEIGHT = """
from dataclasses import dataclass
from typing import ClassVar

from taskscape.batch import Target
from taskscape.modalities import Modality


@dataclass(frozen=True)
class Height(Modality):
    name: ClassVar[str] = "height"
    dtype: ClassVar[str] = "int16"
    sentinel: ClassVar[int | None] = -32768

    step: float = 0.5

    @property
    def unit(self):
        return "meter"

    def check(self, values):
        if not (abs(values) < 1000).all():
            raise ValueError("no such height")

    def quantize(self, values):
        return (values / self.step).round()

    def unpack(self, stored):
        valid = stored != self.sentinel
        return Target((stored * valid).unsqueeze(1) * self.step, valid)
"""


def test_a_modality_of_a_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my.py").write_text(HEIGHT)
    height = load_name(Path("my.py"), "Height")(step=0.25)
    filling = StoreWriter(tmp_path / "s", (1, 3), {"train": 1}, {"hills": height}, {"kind": "test"})
    values = {"image": np.zeros((1, 3, 3), np.uint8), "hills": np.array([[-1.25, 7.0, np.nan]])}
    filling.put("train", 0, Sample(values, {"hills": np.array([[True, True, False]])}, "a"))
    with pytest.raises(ValueError, match="field hills: no such height"):
        filling.put(
            "train", 0, Sample({**values, "hills": np.full((1, 3), 1e4)}, {"hills": np.ones((1, 3), bool)}, "a")
        )
    filling.finish()
    content = json.loads((tmp_path / "s" / "manifest.json").read_text())
    assert content["fields"]["hills"] == {"type": "my.py:Height", "step": 0.25}
    store = Store.open(tmp_path / "s", "train", verify=True)
    assert store.fields == {"hills": height}
    target = store.gather([0], ["hills"], CPU).targets["hills"]
    assert target.value.tolist() == [[[[-1.25, 7.0, 0.0]]]] and target.valid.tolist() == [[[True, True, False]]]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_store_is_a_dataset_for_a_loop_of_your_own(make_store: Make, workers: int) -> None:
    store = make_store(7, shard=3)
    loading = DataLoader(
        StoreDataset(store, ["depth", "semseg"]),
        batch_size=3,
        num_workers=workers,
        multiprocessing_context="spawn" if workers else None,
    )
    expected = store.gather(range(7), ["depth", "semseg"], CPU)
    images, valid = [], []
    for image, targets in loading:
        assert list(targets) == ["depth", "semseg"] and all(isinstance(target, Target) for target in targets.values())
        assert targets["depth"].value.shape == (len(image), 1, *SIZE) and targets["depth"].valid.dtype == torch.bool
        images.append(image)
        valid.append(targets["semseg"].valid)
    assert [len(image) for image in images] == [3, 3, 1]
    assert torch.equal(torch.cat(images), expected.image)
    assert torch.equal(torch.cat(valid), expected.targets["semseg"].valid)


def test_the_items_of_a_dataset(make_store: Make) -> None:
    dataset = StoreDataset(make_store(2))
    assert len(dataset) == 2 and list(dataset[0][1]) == list(NAMES)
    assert torch.equal(dataset[-1][0], dataset[1][0])
    with pytest.raises(IndexError, match="index 2 is outside split 'train' of 2 images"):
        dataset[2]


def test_damaged_manifests(make_store: Make) -> None:
    path = make_store().path
    manifest = path / "manifest.json"
    content = json.loads(manifest.read_text())
    del content["crc32"]  # as required when editing the file by hand
    fields = content["fields"]
    unknown = {**content, "fields": {**fields, "edges": {"type": "deph"}}}
    absent = {**content, "fields": {**fields, "edges": {"type": "nowhere.py:Edges"}}}
    imageless = {**content, "fields": {"depth": fields["depth"]}}
    for text, message in (
        ("{", "damaged.*make it again"),
        ("[]", "damaged"),
        ("\x00\xff", "damaged"),
        (json.dumps({**content, "format": 99}), "another version.*format 99"),
        (json.dumps({**content, "size": "large"}), "damaged"),
        (json.dumps({**content, "shard": 0}), "damaged"),
        (json.dumps({"format": 1}), "damaged"),
        (json.dumps({"format": 2}), "damaged"),
        (json.dumps(unknown), r"manifest\.json: .*edges.*did you mean depth\?"),
        (json.dumps(absent), r"edges.*there is no Python file .*nowhere\.py"),
        (json.dumps(imageless), "needs the field 'image'"),
    ):
        manifest.write_text(text, encoding="latin-1")
        with pytest.raises(ValueError, match=message):
            Store.open(path, "train")


def test_a_stored_image_has_an_index_from_0(make_store: Make) -> None:
    store = make_store(shard=4)
    for index in (-1, 7):
        with pytest.raises(IndexError, match=f"index {index} is outside split 'train' of 7 images"):
            store.stored(index)


def test_fields_of_a_dataset_are_a_list(make_store: Make) -> None:
    with pytest.raises(ValueError, match=r"fields is 'depth': give a list of names, \['depth'\]"):
        StoreDataset(make_store(2), "depth")


@pytest.mark.parametrize("indices", [np.array([True, False]), [1.7]])
def test_indices_are_integers(make_store: Make, indices: np.ndarray | list[float]) -> None:
    """A mask was read as the positions 0 and 1, and fractions were cut."""
    with pytest.raises(ValueError, match=r"indices are (bool|float64): give positions, such as np.flatnonzero"):
        make_store(2).gather(indices, NAMES, CPU)
