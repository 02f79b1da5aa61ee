import errno
import json
import multiprocessing
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from samples import SIZE, TASKS, sample, writer

from taskscape.batch import Batch, Sample
from taskscape.data import Manifest, Store, StoreWriter
from taskscape.modalities.class_sets import CITYSCAPES_2, CITYSCAPES_19

CPU = torch.device("cpu")
Make = Callable[..., Store]


def same(a: Batch, b: Batch) -> bool:
    flat = [[x.image, x.indices, *(part for target in x.targets.values() for part in target)] for x in (a, b)]
    return a.targets.keys() == b.targets.keys() and all(torch.equal(x, y) for x, y in zip(*flat, strict=True))


def test_a_sample_comes_back_as_it_went_in(make_store: Make) -> None:
    store = make_store()
    assert (len(store), store.size, store.tasks, store.class_set) == (7, SIZE, TASKS, CITYSCAPES_19)
    assert store.names == [f"street {i}" for i in range(7)]
    batch = store.gather([4, 1], TASKS, CPU)
    assert batch.image.is_contiguous(memory_format=torch.channels_last) and batch.indices.tolist() == [4, 1]
    for position, index in enumerate((4, 1)):
        expected = sample(index)
        assert np.array_equal((batch.image[position] * 255).round().permute(1, 2, 0).numpy(), expected.image)
        for task, target in batch.targets.items():
            valid, value = target.valid[position].numpy(), target.value[position].numpy()
            assert np.array_equal(valid, expected.valid[task])
            assert np.isfinite(value).all()
            label = expected.labels[task][valid]
            if task == "normals":
                value = value.transpose(1, 2, 0)[valid]
                angle = np.rad2deg(np.arccos(np.clip((value * label).sum(-1), -1, 1)))
                assert angle.max() < 0.4
                assert np.allclose(np.linalg.norm(value, axis=-1), 1, atol=1e-6)
            else:
                assert np.array_equal(value.reshape(SIZE)[valid], label)
    assert batch.targets["semseg"].value.dtype == torch.int64


@pytest.mark.parametrize("shard", [1, 3, 7, 100])
def test_shards_and_holding_change_nothing(make_store: Make, shard: int) -> None:
    whole, parts = make_store(), make_store(shard=shard, name="parts")
    indices = [6, 0, 3, 3, 2]
    expected = whole.gather(indices, TASKS, CPU)
    assert same(parts.gather(indices, TASKS, CPU), expected)
    assert not parts.hold(CPU, TASKS, share=0)
    assert parts.hold(CPU, TASKS)
    assert same(parts.gather(indices, TASKS, CPU), expected)


def test_holding_many_images(make_store: Make) -> None:
    store = make_store(count=130, size=(1, 2))
    expected = store.gather(range(130), TASKS, CPU)
    assert store.hold(CPU, TASKS)
    assert same(store.gather(range(130), TASKS, CPU), expected)


def test_a_batch_without_images(make_store: Make) -> None:
    batch = make_store().gather([], TASKS, CPU)
    assert batch.image.shape == (0, 3, *SIZE)
    assert batch.targets["depth"].value.shape == (0, 1, *SIZE)


def test_one_pixel(make_store: Make) -> None:
    store = make_store(count=1, size=(1, 1))
    assert store.gather([0], TASKS, CPU).targets["normals"].value.shape == (1, 3, 1, 1)


def test_a_missing_label_is_a_label_without_valid_pixels(tmp_path: Path) -> None:
    filling = writer(tmp_path / "s", train=1)
    filling.put("train", 0, sample(0)._replace(labels={}, valid={}))
    filling.finish()
    batch = Store.open(tmp_path / "s", "train").gather([0], TASKS, CPU)
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
        assert np.array_equal((image * 255).round().permute(1, 2, 0).numpy(), sample(index).image)


def _with(one: Sample, task: str, value: float, valid: bool = True) -> Sample:
    label, mask = one.labels[task].copy(), one.valid[task].copy()
    label[2, 3], mask[2, 3] = value, valid
    return one._replace(labels={**one.labels, task: label}, valid={**one.valid, task: mask})


BAD = {
    "image float": (sample(0)._replace(image=np.zeros((*SIZE, 3))), "field image.*float64"),
    "image size": (sample(0, (6, 9)), r"field image.*\(6, 9, 3\) instead of uint8 \(6, 10, 3\)"),
    "label size": (
        sample(0)._replace(labels={**sample(0).labels, "depth": np.ones((6, 9))}),
        r"field depth.*\(6, 9\).*resize",
    ),
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
    "other field": (sample(0)._replace(labels={"edges": np.zeros(SIZE)}), "no field.*edges"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_samples_are_refused(tmp_path: Path, case: str) -> None:
    bad, message = BAD[case]
    filling = writer(tmp_path / "s", train=1)
    with pytest.raises(ValueError, match=message):
        filling.put("train", 0, bad)
    assert filling.missing("train") == [0]


def test_what_is_not_valid_may_hold_anything(tmp_path: Path) -> None:
    filling = writer(tmp_path / "s", train=1)
    one = sample(0)
    for task, value in {"semseg": 200, "depth": np.nan, "normals": np.inf}.items():
        one = _with(one, task, value, valid=False)
    filling.put("train", 0, one)


def test_impossible_stores_are_refused(tmp_path: Path) -> None:
    for size, counts, shard in (
        ((0, 4), {"train": 1}, None),
        (SIZE, {}, None),
        (SIZE, {"train": 0}, 1),
        (SIZE, {"a": 1}, 0),
    ):
        with pytest.raises(ValueError, match="give all, > 0"):
            writer(tmp_path / "s", size, shard, **counts)
    with pytest.raises(ValueError, match="choose among"):
        StoreWriter(tmp_path / "s", SIZE, {"train": 1}, ("edges",), None, {})
    with pytest.raises(ValueError, match="class set"):
        StoreWriter(tmp_path / "s", SIZE, {"train": 1}, ("semseg",), None, {})
    with pytest.raises(ValueError, match="outside split"):
        writer(tmp_path / "s", train=1).put("train", 1, sample(0))


def test_a_writer_does_not_touch_other_things(tmp_path: Path) -> None:
    writer(tmp_path / "s", train=2)
    with pytest.raises(ValueError, match="another store, unfinished"):
        writer(tmp_path / "s", train=3)
    with pytest.raises(ValueError, match="another store, unfinished"):
        StoreWriter(tmp_path / "s", SIZE, {"train": 2}, TASKS, CITYSCAPES_2, {"kind": "test"})
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(ValueError, match="not empty"):
        writer(tmp_path / "mine", train=2)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize("file", ["depth-000.npy", "done.jsonl"])
def test_a_full_disk(tmp_path: Path, file: str) -> None:
    filling = writer(tmp_path / "s", train=1)
    (tmp_path / "s" / "train" / file).unlink(missing_ok=True)
    (tmp_path / "s" / "train" / file).symlink_to("/dev/full")
    with pytest.raises(OSError, match=f"{file} failed.*make room") as caught:
        filling.put("train", 0, sample(0))
    assert caught.value.errno == errno.ENOSPC


def test_a_full_disk_at_the_end(tmp_path: Path) -> None:
    filling = writer(tmp_path / "s", train=1)
    filling.put("train", 0, sample(0))
    (tmp_path / "s" / "manifest.json.part").symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"could not write .*manifest.json: No space left.*make room"):
        filling.finish()
    writer(tmp_path / "s", train=1).finish()
    assert len(Store.open(tmp_path / "s", "train", verify=True)) == 1


def test_folders_that_are_no_store(tmp_path: Path, make_store: Make) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere is not there.*prepare"):
        Store.open(tmp_path / "nowhere", "train")
    with pytest.raises(ValueError, match=r"not a store.*manifest\.json"):
        Store.open(tmp_path, "train")
    with pytest.raises(ValueError, match=r"no split 'val', it has \['train'\]"):
        Store.open(make_store().path, "val")


def test_damaged_stores(make_store: Make) -> None:
    store = make_store()
    depth = store.path / "train" / "depth-000.npy"
    whole = depth.read_bytes()

    depth.write_bytes(whole[:-1])
    with pytest.raises(ValueError, match=r"depth-000\.npy has \d+ bytes instead of \d+"):
        Store.open(store.path, "train")
    depth.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
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


def test_pickles_are_not_read(make_store: Make) -> None:
    store = make_store()
    image = store.path / "train" / "image-000.npy"
    np.save(image, np.array([{"a": 1}] * 7, object), allow_pickle=True)
    manifest = store.manifest
    info = replace(manifest.files["train/image-000.npy"], bytes=image.stat().st_size)
    replace(manifest, files={**manifest.files, "train/image-000.npy": info}).save(store.path / "manifest.json")
    with pytest.raises(ValueError, match=r"image-000\.npy is damaged"):
        Store.open(store.path, "train")


def test_damaged_manifests(make_store: Make) -> None:
    path = make_store().path
    manifest = path / "manifest.json"
    content = json.loads(manifest.read_text())
    unknown_field = {**content, "fields": {**content["fields"], "edges": content["fields"]["depth"]}}
    for text, message in (
        ("{", "damaged.*make it again"),
        ("[]", "damaged"),
        ("\x00\xff", "damaged"),
        (json.dumps({**content, "format": 99}), "another version.*format 99"),
        (json.dumps({**content, "size": "large"}), "damaged"),
        (json.dumps({**content, "shard": 0}), "damaged"),
        (json.dumps({"format": 1}), "damaged"),
        (json.dumps(unknown_field), "another version"),
    ):
        manifest.write_text(text, encoding="latin-1")
        with pytest.raises(ValueError, match=message):
            Store.open(path, "train")
