"""``prepare`` a second time: changes are detected, prepared again and reported."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from taskscape.cli import main
from taskscape.data import Manifest, Store
from taskscape.data.prepare import prepare
from taskscape.data.readers import Folder

SIZE = (4, 6)
Prepare = Callable[..., list[str]]


def draw(raw: Path, name: str, label: int) -> None:
    for folder, value in (("images", (label, 50, 90)), ("semseg", label)):
        (raw / folder).mkdir(parents=True, exist_ok=True)
        Image.new("RGB" if folder == "images" else "L", SIZE[::-1], value).save(raw / folder / f"{name}.png")


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    raw = tmp_path / "raw"
    for index in range(6):
        draw(raw, f"i{index}", index % 2)
    (raw / "taskscape.yaml").write_text("splits: {train: 4, val: 2}\nsemseg: {classes: [road, car, tree]}\n")
    return raw


@pytest.fixture
def prepare_again(raw: Path, tmp_path: Path) -> Prepare:
    def run(interrupt_at: int | None = None) -> list[str]:
        said: list[str] = []

        def report(done: int, _: int) -> None:
            if done == interrupt_at:
                raise KeyboardInterrupt

        prepare(Folder(), raw, tmp_path / "store", processes=1, report=report, tell=said.append)
        assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]
        return said

    return run


def labels(store: Path) -> list[int]:
    return [
        int(np.load(store / split / "semseg-000.npy")[index].max())
        for split, count in Manifest.of(store).counts.items()
        for index in range(count)
    ]


def relabel(raw: Path, name: str, label: int) -> None:
    Image.new("L", SIZE[::-1], label).save(raw / "semseg" / f"{name}.png")


def test_nothing_is_done_where_nothing_was_changed(raw: Path, tmp_path: Path, prepare_again: Prepare) -> None:
    assert prepare_again() == []
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "store").rglob("*.npy")}
    assert prepare_again() == ["nothing to do: the store was made from exactly these inputs"]
    for path in raw.rglob("*.png"):
        path.touch()
    assert prepare_again() == ["nothing to do: the store was made from exactly these inputs"]
    assert files == {path: path.stat().st_mtime_ns for path in (tmp_path / "store").rglob("*.npy")}


def test_corrected_labels_are_in_the_store(raw: Path, tmp_path: Path, prepare_again: Prepare) -> None:
    prepare_again()
    before = Manifest.of(tmp_path / "store")
    relabel(raw, "i1", 2)
    assert prepare_again() == ["1 of 12 inputs is changed, such as semseg/i1.png; the store is made again"]
    assert labels(tmp_path / "store") == [0, 2, 0, 1, 0, 1]
    assert Manifest.of(tmp_path / "store").fingerprint != before.fingerprint
    Store.open(tmp_path / "store", "train", verify=True)
    assert prepare_again() == ["nothing to do: the store was made from exactly these inputs"]


def test_a_change_that_keeps_size_and_time_is_noticed(raw: Path, tmp_path: Path, prepare_again: Prepare) -> None:
    path = raw / "semseg" / "i1.png"
    prepare_again()
    relabel(tmp_path / "raw", "i1", 0)
    shutil.copy2(path, tmp_path / "other.png")
    relabel(raw, "i1", 1)
    shutil.copystat(tmp_path / "other.png", path)
    relabel(raw, "i1", 0)
    assert prepare_again() == ["1 of 12 inputs is changed, such as semseg/i1.png; the store is made again"]
    assert labels(tmp_path / "store") == [0, 0, 0, 1, 0, 1]


def test_images_come_and_go(raw: Path, tmp_path: Path, prepare_again: Prepare) -> None:
    prepare_again()
    draw(raw, "i6", 2)
    (raw / "taskscape.yaml").write_text("splits: {train: 4, val: 3}\nsemseg: {classes: [road, car, tree]}\n")
    assert prepare_again() == ["2 of 14 inputs are new, such as images/i6.png; the store is made again"]
    assert labels(tmp_path / "store") == [0, 1, 0, 1, 0, 1, 2]
    for folder in ("images", "semseg"):
        (raw / folder / "i0.png").unlink()
    (raw / "taskscape.yaml").write_text("splits: {train: 4, val: 2}\nsemseg: {classes: [road, car, tree]}\n")
    assert prepare_again() == ["2 of 14 inputs are gone, such as images/i0.png; the store is made again"]


def test_another_description_makes_another_store(raw: Path, tmp_path: Path, prepare_again: Prepare) -> None:
    prepare_again()
    before = Store.open(tmp_path / "store", "val").fields["semseg"]
    (raw / "taskscape.yaml").write_text("splits: {train: 4, val: 2}\nsemseg: {classes: [road, truck, tree]}\n")
    (said,) = prepare_again()
    assert said == "the inputs are the same, but not description, what is stored; the store is made again"
    assert Store.open(tmp_path / "store", "val").fields["semseg"] != before


def test_other_settings_are_refused(raw: Path, tmp_path: Path, prepare_again: Prepare) -> None:
    prepare_again()
    with pytest.raises(ValueError, match=r"store is not empty: .*other settings, size was none and is 2x3"):
        prepare(Folder(size=(2, 3)), raw, tmp_path / "store", processes=1)


def test_the_store_of_another_data_set_is_kept(raw: Path, tmp_path: Path, prepare_again: Prepare) -> None:
    prepare_again()
    content = (tmp_path / "store" / "manifest.json").read_bytes()
    (tmp_path / "other").mkdir()
    shutil.copy(raw / "taskscape.yaml", tmp_path / "other")
    for index in range(6):
        draw(tmp_path / "other", f"j{index}", 1)
    with pytest.raises(ValueError, match=r"holds a store of other images: none of its inputs, such as images/i0\.png"):
        prepare(Folder(), tmp_path / "other", tmp_path / "store", processes=1)
    assert (tmp_path / "store" / "manifest.json").read_bytes() == content


def test_other_things_in_the_folder_are_not_deleted(raw: Path, tmp_path: Path, prepare_again: Prepare) -> None:
    prepare_again()
    (tmp_path / "store" / "notes.txt").touch()
    relabel(raw, "i1", 2)
    with pytest.raises(ValueError, match=r"holds other things, notes\.txt: move them elsewhere first"):
        prepare_again()
    assert labels(tmp_path / "store") == [0, 1, 0, 1, 0, 1]


def test_half_of_a_store_is_finished_from_what_is_there_now(raw: Path, tmp_path: Path, prepare_again: Prepare) -> None:
    with pytest.raises(KeyboardInterrupt):
        prepare_again(interrupt_at=3)
    relabel(raw, "i1", 2)
    relabel(raw, "i5", 2)  # not read yet
    assert prepare_again() == ["the inputs of 1 sample have changed since it was written, which is made again"]
    assert labels(tmp_path / "store") == [0, 2, 0, 1, 0, 2]
    assert prepare_again() == ["nothing to do: the store was made from exactly these inputs"]


@pytest.mark.parametrize("moment", ["writing", "finished", "moved", "swapped"])
def test_a_replacement_that_was_stopped_is_ended(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prepare_again: Prepare, moment: str
) -> None:
    """Either the old or the new store exists, never a part of one; the same command completes it."""
    prepare_again()
    relabel(raw, "i1", 2)
    store, new, replaced = (tmp_path / name for name in ("store", ".store.new", ".store.replaced"))
    if moment == "writing":
        with pytest.raises(KeyboardInterrupt):
            prepare_again(interrupt_at=2)
        assert labels(store) == [0, 1, 0, 1, 0, 1]
        relabel(raw, "i0", 2)
        expected = [2, 2, 0, 1, 0, 1]
    else:
        expected = [0, 2, 0, 1, 0, 1]
        with monkeypatch.context() as patch:
            patch.setattr(Path, "rename", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                prepare_again()
        assert labels(store) == [0, 1, 0, 1, 0, 1] and labels(new) == expected
        if moment in ("moved", "swapped"):
            store.rename(replaced)
        if moment == "swapped":
            new.rename(store)
    prepare_again()
    assert labels(store) == expected
    assert sorted(path.name for path in store.iterdir()) == ["inputs.json", "manifest.json", "train", "val"]


def test_the_command_says_what_it_does(raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["prepare", "folder", str(raw), str(tmp_path / "store"), "--processes", "1"]
    main(command)
    main(command)
    assert "nothing to do: the store was made from exactly these inputs" in capsys.readouterr().err.replace("\n", " ")
    relabel(raw, "i1", 2)
    main(command)
    captured = capsys.readouterr()
    assert "the store is made again" in captured.err.replace("\n", " ")
    assert "holds 4 train, 2 val" in captured.out.replace("\n", " ")


def test_a_store_of_an_earlier_version_is_compared_by_checksum(
    raw: Path, tmp_path: Path, prepare_again: Prepare
) -> None:
    prepare_again()
    manifest = Manifest.of(tmp_path / "store")
    replace(manifest, blocks={}).save(tmp_path / "store" / "manifest.json")
    path = tmp_path / "store" / "inputs.json"
    path.write_text(path.read_text().replace("changed_ns", "other"))
    assert prepare_again() == ["nothing to do: the store was made from exactly these inputs"]
    path.unlink()
    assert prepare_again() == ["inputs.json, which lists the inputs, is missing or damaged; the store is made again"]


def test_a_second_process_at_the_same_time_is_refused_by_name(raw: Path, tmp_path: Path) -> None:
    refusals: list[str] = []

    def meanwhile(done: int, _: int) -> None:
        if done == 3:
            with pytest.raises(ValueError, match="is being written") as refused:
                prepare(Folder(), raw, tmp_path / "store", processes=1)
            refusals.append(str(refused.value))

    prepare(Folder(), raw, tmp_path / "store", processes=1, report=meanwhile)
    assert len(refusals) == 1
    assert refusals[0].startswith(f"{tmp_path}/store is being written by process {os.getpid()} on ")
    assert labels(tmp_path / "store") == [0, 1, 0, 1, 0, 1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["raw", "store"]
