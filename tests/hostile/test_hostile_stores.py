"""Stores that misstate their content or point outside their folder."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from limited import needs_fork, refused, survived, variants

from blocks import SIZE, pack
from taskscape.cli import main
from taskscape.data import Store, StoreWriter
from taskscape.data.manifest import Manifest
from taskscape.modalities import Depth

pytestmark = needs_fork
Content = dict[str, Any]


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack(tmp_path_factory.mktemp("hostile") / "store", train=2, val=1)


def without(content: Content, key: str) -> Content:
    return {name: value for name, value in content.items() if name != key}


def fields(content: Content, **new: Any) -> Content:
    return {**content, "fields": {**content["fields"], **new}}


MANIFESTS: dict[str, Callable[[Content], Any]] = {
    "counts": lambda c: {**c, "counts": {"train": 10**12, "val": 1}},
    "counts-in-one": lambda c: {**c, "counts": {"train": 10**12, "val": 1}, "shard": 1},
    "counts-negative": lambda c: {**c, "counts": {"train": -1, "val": 1}},
    "counts-beyond": lambda c: {**c, "counts": {"train": 10**400, "val": 1}},
    "counts-text": lambda c: {**c, "counts": {"train": "many"}},
    "counts-list": lambda c: {**c, "counts": [2, 1]},
    "counts-none": lambda c: {**c, "counts": {}},
    "names-missing": lambda c: without(c, "names"),
    "names-empty": lambda c: {**c, "names": {}},
    "names-short": lambda c: {**c, "names": {**c["names"], "train": ["a"]}},
    "names-numbers": lambda c: {**c, "names": {**c["names"], "train": [1, 2]}},
    "names-text": lambda c: {**c, "names": "ab"},
    "files-missing": lambda c: without(c, "files"),
    "files-numbers": lambda c: {**c, "files": dict.fromkeys(c["files"], 5)},
    "size": lambda c: {**c, "size": [10**6, 10**6]},
    "size-three": lambda c: {**c, "size": [8, 8, 8]},
    "size-float": lambda c: {**c, "size": [8.5, 8]},
    "shard": lambda c: {**c, "shard": 1},
    "shard-text": lambda c: {**c, "shard": "1"},
    "split-above": lambda c: {**c, "counts": {"../train": 2}, "names": {"../train": ["a", "b"]}},
    "split-absolute": lambda c: {**c, "counts": {"/etc": 2}, "names": {"/etc": ["a", "b"]}},
    "split-hidden": lambda c: {**c, "counts": {"..": 2}, "names": {"..": ["a", "b"]}},
    "split-empty": lambda c: {**c, "counts": {"": 2}, "names": {"": ["a", "b"]}},
    "split-escape": lambda c: {**c, "counts": {"\x1b[2J": 2}, "names": {"\x1b[2J": ["a", "b"]}},
    "field-above": lambda c: fields(c, **{"../../x": {"type": "depth", "metric": True}}),
    "field-null": lambda c: fields(c, **{"a\0b": {"type": "depth", "metric": True}}),
    "field-deep": lambda c: fields(c, depth={"type": "depth", "metric": [[[[]]]]}),
    "field-list": lambda c: fields(c, depth={"type": ["depth"]}),
    "field-code": lambda c: fields(c, depth={"type": "os:system"}),
    "field-library": lambda c: fields(c, depth={"type": "/dev/null:X"}),
    "fields-list": lambda c: {**c, "fields": ["image"]},
    "classes-many": lambda c: fields(
        c, semseg={"type": "semseg", "classes": {"name": "x", "classes": ["a"] * 5000, "palette": [[0, 0, 0]] * 5000}}
    ),
    "colors": lambda c: fields(
        c, semseg={"type": "semseg", "classes": {"name": "x", "classes": ["a"], "palette": [[10**9, -1, 0]]}}
    ),
    "source-none": lambda c: {**c, "source": None},
    "format-1": lambda c: {**c, "format": 1},
    "format-1-source": lambda c: {**c, "format": 1, "source": {"depth": 3}, "class_set": None},
    "unknown": lambda c: {**c, "x": 1},
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_manifests(name: str, packed: Path, tmp_path: Path) -> None:
    content, unchanged = json.loads((packed / "manifest.json").read_text()), before(packed)
    store = copied(packed, tmp_path / "store")
    path = store / "manifest.json"
    path.write_text(json.dumps(MANIFESTS[name](content)))

    def read(path: Path) -> None:
        for split in ("train", "val"):
            try:
                opened = Store.open(path.parent, split)
                assert len(opened.names) == len(opened)
            except (ValueError, OSError) as error:
                # A message may name the array that does not fit.
                raise ValueError(f"manifest.json: {error}") from error

    assert str(tmp_path) in refused(read, path)
    assert before(packed) == unchanged


def copied(store: Path, to: Path) -> Path:
    import shutil

    return Path(shutil.copytree(store, to))


def before(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_damaged_manifests(packed: Path, tmp_path: Path) -> None:
    content = (packed / "manifest.json").read_bytes()
    assert survived(Manifest.load, variants(content, tmp_path, ".json", cuts=20)) > 20


def test_a_manifest_is_refused_by_every_command(
    packed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = copied(packed, tmp_path / "store")
    content = json.loads((store / "manifest.json").read_text())
    (store / "manifest.json").write_text(json.dumps({**content, "counts": {"train": 10**12}, "shard": 1}))
    for command in (["data", "check"], ["data", "show"], ["data", "baseline"]):
        with pytest.raises(SystemExit) as exit:
            main([*command, str(store)])
        assert exit.value.code == 2
        message = capsys.readouterr().err
        assert "manifest.json" in message and "Traceback" not in message


def writer(path: Path) -> StoreWriter:
    return StoreWriter(path, SIZE, {"train": 2}, {"depth": Depth()}, {"kind": "hostile"})


def test_lists_of_finished_samples(tmp_path: Path) -> None:
    path = tmp_path / "store"
    writer(path)
    (path / "train" / "done.jsonl").write_bytes(
        b'[0, "a", {}]\n5\nnull\n{"a": 1, "b": 2, "c": {}}\n[[0], "a", {}]\n[1, 2, {}]\n["1", "b", {}]\n'
        b'[true, "b", {}]\n[1, "b"]\n[1, "b", []]\n[1, "b", {"semseg": 5}]\n[1, "b", {"semseg": {"a": ["", 0]}}]\n'
        b'[7, "b", {}]\n\xff\xfe\n' + b"[" * 9000
    )
    assert writer(path).missing("train") == [1]
    with pytest.raises(ValueError, match="1 image of 'train' is missing"):
        writer(path).finish()


@pytest.mark.parametrize("place", ["train", "train/image-000.npy", "train/done.jsonl"])
def test_links_in_a_half_made_store(place: str, tmp_path: Path) -> None:
    outside, path = tmp_path / "outside", tmp_path / "store"
    outside.mkdir()
    (outside / "file").write_text("mine")
    writer(path)
    link = path / place
    if link.is_dir():
        for file in link.iterdir():
            file.unlink()
        link.rmdir()
        link.symlink_to(outside)
    else:
        link.unlink(missing_ok=True)
        link.symlink_to(outside / "file")
    with pytest.raises(ValueError, match=f"{link.name} leads out of"):
        writer(path)
    assert [file.name for file in outside.iterdir()] == ["file"]
    assert (outside / "file").read_text() == "mine"


@pytest.mark.parametrize("name", ["../x", "/tmp/x", "a/b", "", ".", "..", "a\nb", "a\\b", "C:x"])
def test_names_that_are_paths(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be part of a file's name"):
        StoreWriter(tmp_path / "s", SIZE, {name: 2}, {"depth": Depth()}, {"kind": "hostile"})
    with pytest.raises(ValueError, match="cannot be part of a file's name"):
        StoreWriter(tmp_path / "s", SIZE, {"train": 2}, {name: Depth()}, {"kind": "hostile"})
    assert list(tmp_path.iterdir()) == []


def test_arrays_of_another_form(packed: Path, tmp_path: Path) -> None:
    store = copied(packed, tmp_path / "store")
    path = store / "train" / "depth-000.npy"
    length = path.stat().st_size
    np.savez(tmp_path / "x.npz", a=np.zeros(3))
    content = (tmp_path / "x.npz").read_bytes()
    path.write_bytes(content + b"\0" * (length - len(content)))
    refused(lambda _: Store.open(store, "train"), path)
