"""Labels that vanish when images are reduced: measured by ``prepare``, reported by the checks."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from taskscape.data import Store
from taskscape.data.check import check, quick
from taskscape.data.manifest import MANIFEST, Manifest
from taskscape.data.prepare import prepare
from taskscape.data.readers import Folder
from taskscape.data.readers.labels import resize_nearest
from taskscape.modalities import Semseg
from taskscape.modalities.class_sets import ClassSet

CLASSES = ClassSet("test", ("ground", "wall", "pole"), ((0, 0, 0), (9, 9, 9), (99, 99, 99)))


@pytest.mark.parametrize(
    ("before", "after"), [((12, 20), (5, 7)), ((9, 9), (3, 3)), ((6, 8), (6, 8)), ((4, 6), (9, 8))]
)
def test_a_pixel_is_lost_where_nothing_around_its_place_has_its_class(
    before: tuple[int, int], after: tuple[int, int]
) -> None:
    random = np.random.default_rng(sum(before))
    ids, valid = random.integers(0, 3, before).astype(np.uint8), random.random(before) < 0.9
    small, known = resize_nearest(ids, after), resize_nearest(valid, after)
    lost = dict.fromkeys(CLASSES.classes, 0)
    for y, x in np.argwhere(valid):
        row, column = y * after[0] // before[0], x * after[1] // before[1]
        around = slice(max(row - 1, 0), row + 2), slice(max(column - 1, 0), column + 2)
        lost[CLASSES.classes[ids[y, x]]] += not np.any((small[around] == ids[y, x]) & known[around])
    pixels = dict(zip(CLASSES.classes, np.bincount(ids[valid], minlength=3).tolist(), strict=True))
    found = Semseg(CLASSES).lost_pixels((ids, valid), (small, known))
    assert found == {name: (count, lost[name]) for name, count in pixels.items() if count}


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Write streets of 96x96 with a wall, and with dots of 2×2 pixels, 24 pixels apart."""
    folder = tmp_path / "raw"
    for kind in ("images", "semseg"):
        (folder / kind).mkdir(parents=True)
    (folder / "taskscape.yaml").write_text("splits: {train: 3, val: 2}\nsemseg: {classes: [ground, wall, dot]}\n")
    for number in range(5):
        random = np.random.default_rng(number)
        ids = np.zeros((96, 96), np.uint8)
        ids[:40] = 1
        for row, column in np.ndindex(2, 2):
            ids[60 + row :: 24, number % 3 + column :: 24] = 2
        image = random.integers(0, 256, (12, 12, 3), np.uint8).repeat(8, 0).repeat(8, 1) // 2 + 40 * ids[..., None]
        Image.fromarray(image).save(folder / "images" / f"{number}.png")
        Image.fromarray(ids).save(folder / "semseg" / f"{number}.png")
    return folder


@pytest.mark.parametrize(("size", "vanishes"), [((96, 96), False), ((48, 48), False), ((12, 12), True)])
def test_classes_that_vanish_are_named_with_their_share(
    raw: Path, tmp_path: Path, size: tuple[int, int], vanishes: bool
) -> None:
    store = tmp_path / "store"
    prepare(Folder(size=size), raw, store, processes=1)
    stores = {split: Store.open(store, split) for split in ("train", "val")}
    for warnings in (check(store).warnings, quick(stores, ["semseg"])):
        found = [warning for warning in warnings if "vanished" in warning]
        assert len(found) == 2 * vanishes
        assert all("% of dot vanished when the labels were made smaller" in warning for warning in found)
        assert not any("wall" in warning or "ground" in warning for warning in found)


def test_the_measure_is_the_same_after_an_interruption(raw: Path, tmp_path: Path) -> None:
    whole = prepare(Folder(size=(12, 12)), raw, tmp_path / "whole", processes=1)
    assert whole.vanished["train"]["semseg"]["wall"] == (3 * 40 * 96, 0)

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(Folder(size=(12, 12)), raw, tmp_path / "resumed", processes=1, report=stop)
    resumed = prepare(Folder(size=(12, 12)), raw, tmp_path / "resumed", processes=2)
    assert resumed.vanished == whole.vanished == Manifest.load(tmp_path / "whole" / MANIFEST).vanished


def test_ids_that_only_the_whole_label_has_are_refused(raw: Path, tmp_path: Path) -> None:
    ids = np.zeros((96, 96), np.uint8)
    ids[1, 1] = 77
    Image.fromarray(ids).save(raw / "semseg" / "1.png")
    with pytest.raises(ValueError, match=r"semseg/1\.png holds \[77\], neither classes nor void"):
        prepare(Folder(size=(12, 12)), raw, tmp_path / "store", processes=1)
