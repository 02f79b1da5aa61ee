"""A folder of your own, the check of a store, and the commands."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from raw_files import save

from taskscape.batch import Sample
from taskscape.cli import main
from taskscape.data import Store, StoreWriter
from taskscape.data.check import check
from taskscape.data.prepare import prepare
from taskscape.data.readers import Folder
from taskscape.modalities import Depth, Normals, Semseg
from taskscape.modalities.class_sets import CITYSCAPES_2, NYUV2_13, ClassSet
from taskscape.tasks import Depth as DepthTask

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
EXAMPLES = Path(__file__).parents[2] / "examples"
YAML = """
semseg: {classes: {3: lawn, 7: path}, palette: [[0, 200, 0], [9, 8, 7]], void: [0, 255]}
depth: {unit: millimeter, invalid: [0, 65535]}
normals: {axes: [x, -y, -z]}
splits: {train: 3, val: 1}
"""


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Write four images of 4×6: the first has all labels, the second none, the others semseg as colors or array."""
    raw = tmp_path / "raw"
    for index in range(4):
        save(raw / "images" / f"{index}.png", np.full((4, 6, 3), 50 * index, np.uint8))
    ids = np.array([[3, 7, 0, 255, 3, 7]] * 4, np.uint8)
    save(raw / "semseg" / "0.png", ids)
    colors = {0: (0, 0, 0), 255: (255, 255, 255), 3: (0, 200, 0), 7: (9, 8, 7)}
    save(raw / "semseg" / "2.png", np.array([[colors[i] for i in row] for row in ids], np.uint8))
    save(raw / "semseg" / "3.npy", ids.astype(np.int64))
    save(raw / "depth" / "0.png", np.array([[0, 1, 1500, 65535, 10, 20]] * 4, np.uint16))
    normals = np.zeros((4, 6, 3), np.uint8)
    normals[:, 1:] = 128, 128, 255  # toward the camera if z points there
    save(raw / "normals" / "0.png", normals)
    (raw / "taskscape.yaml").write_text(YAML)
    return raw


def gathered(raw: Path, split: str = "train", **settings: object) -> tuple[Store, dict]:
    out = raw.with_name("store")
    prepare(Folder(**settings), raw, out, processes=1)
    store = Store.open(out, split, verify=True)
    return store, store.gather(range(len(store)), tuple(store.fields), torch.device("cpu")).targets


def test_labels_and_those_that_are_missing(raw: Path) -> None:
    store, targets = gathered(raw)
    assert store.names == ["0", "1", "2"] and store.size == (4, 6)
    garden = ClassSet("own", ("lawn", "path"), ((0, 200, 0), (9, 8, 7)))
    assert store.fields == {"semseg": Semseg(garden), "depth": Depth(), "normals": Normals()}
    for index in (0, 2):
        assert targets["semseg"].valid[index, 0].tolist() == [True, True, False, False, True, True]
        assert targets["semseg"].value[index, 0][[0, 1, 4, 5]].tolist() == [0, 1, 0, 1]
    assert not any(target.valid[1].any() for target in targets.values())
    assert targets["depth"].valid[0, 0].tolist() == [False, True, True, False, True, True]
    assert targets["depth"].value[0, 0, 0].tolist() == pytest.approx([0, 0.001, 1.5, 0, 0.01, 0.02])
    assert targets["normals"].valid[0, 0].tolist() == [False] + [True] * 5
    assert targets["normals"].value[0, :, 0, 1].tolist() == pytest.approx([0, 0, -1], abs=0.01)
    assert store.manifest.source["images without"] == {"semseg": 1, "depth": 3, "normals": 3}


def test_prepare_names_each_unlabeled_image_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw, random = tmp_path / "raw", np.random.default_rng(0)
    for name in "abcdefgh":
        save(raw / "images" / f"{name}.png", random.integers(0, 256, (24, 32, 3), np.uint8))
        if name not in "b":
            save(raw / "semseg" / f"{name}.png", random.integers(0, 2, (24, 32), np.uint8))
        if name not in "bc":
            save(raw / "depth" / f"{name}.png", random.integers(1000, 9000, (24, 32), np.uint16))
    (raw / "taskscape.yaml").write_text("semseg: {classes: [x, y]}\ndepth: {unit: mm}\nsplits: {train: 6, val: 2}")
    main(["prepare", "folder", str(raw), str(tmp_path / "store")])
    lines = [line for line in capsys.readouterr().err.splitlines() if "label" in line]
    assert lines == [
        "warning: train: 1 of 6 images has no semseg or depth label, such as b",
        "warning: train: 1 of 6 images has no depth label, such as c",
    ]
    findings = check(tmp_path / "store").warnings
    assert sum("such as b: check that its labels exist" in text for text in findings) == 1
    assert sum("images has no pixel with" in text for text in findings) == 2


@pytest.mark.parametrize("colors", [((11, 22, 33), (44, 5, 66)), ((7, 7, 7), (7, 7, 7)), ((3, 3, 3), (9, 9, 9))])
def test_the_palette_of_the_files_is_kept_where_it_tells_classes_apart(raw: Path, colors: tuple) -> None:
    image = Image.fromarray(np.array([[3, 7, 0, 255, 3, 7]] * 4, np.uint8))
    palette = np.zeros((256, 3), np.uint8)
    palette[[3, 7]] = colors
    image.putpalette(palette.tobytes())
    for file in (raw / "semseg").iterdir():
        file.unlink()
    for index in (0, 3):
        image.save(raw / "semseg" / f"{index}.png")
    describe(raw, "semseg: {classes: {3: lawn, 7: path}, void: [0, 255]}")
    store, targets = gathered(raw)
    classes = store.fields["semseg"].classes
    assert classes.classes == ("lawn", "path")
    assert (classes.palette == colors) == (colors[0] == (11, 22, 33))
    assert len(set(classes.palette)) == 2
    assert targets["semseg"].value[0, 0][[0, 1, 4, 5]].tolist() == [0, 1, 0, 1]


def describe(raw: Path, text: str) -> None:
    text = text if "splits" in text or not text else text + "\nsplits: {train: 3, val: 1}"
    (raw / "taskscape.yaml").write_text(text)


def test_depth_of_unknown_scale_has_median_one(raw: Path) -> None:
    save(raw / "depth" / "3.png", np.full((4, 6), 9, np.uint16))
    save(raw / "depth" / "1.png", np.array([[10, 20, 20, 20, 40, 0]] * 4, np.uint8))
    describe(raw, "depth: {unit: unknown}\nsplits: {train: 0.5, val: 0.5}")
    store, targets = gathered(raw)
    assert store.fields == {"depth": Depth(metric=False)} and store.names == ["0", "1"]
    assert targets["depth"].value[1, 0, 0].tolist() == [0.5, 1, 1, 1, 2, 0]
    assert not any("median" in warning for warning in check(store.path).warnings)


def test_metrics_that_need_a_scale_are_left_out_where_there_is_none(raw: Path, capsys: pytest.CaptureFixture) -> None:
    for index in (1, 3):
        save(raw / "depth" / f"{index}.png", np.array([[10, 20, 30, 40, 50, 60]] * 4, np.uint8))
    describe(raw, "depth: {unit: unknown}\nsplits: {train: 0.5, val: 0.5}")
    store, targets = gathered(raw)
    task = DepthTask().for_data("depth", store.fields["depth"])

    main(["data", "check", str(store.path)])
    assert "median of the image" in capsys.readouterr().out
    assert task.metric is False
    metrics = task.metrics()
    metrics.update(7 * targets["depth"].value.clamp(min=1e-3), *targets["depth"])
    values = metrics.compute()
    scaled = {f"median_scaled_{name}" for name in ("abs_rel", "delta1", "delta2", "delta3")}
    assert values.keys() == {"si_log_rmse", *scaled}
    assert values["si_log_rmse"] == pytest.approx(0, abs=1e-5)
    assert values["median_scaled_abs_rel"] == pytest.approx(0, abs=1e-6)
    assert metrics.plots() == {}


def test_boundaries_and_albedo(raw: Path) -> None:
    save(raw / "boundaries" / "0.png", np.array([[0, 255, 128, 7, 0, 255]] * 4, np.uint8))
    colors = np.zeros((4, 6, 3), np.uint8)
    colors[:, 1:] = 188, 255, 0
    save(raw / "albedo" / "0.png", colors)
    for index in (1, 3):
        np.save(raw / "albedo" / f"{index}.npy", np.full((4, 6, 3), [0.25, np.nan, 0.5]))
    describe(raw, "boundaries: {lines: 255, void: 128}\nalbedo: {}")
    _, targets = gathered(raw)
    assert targets["boundaries"].value[0, 0, 0].tolist() == [0, 1, 0, 0, 0, 1]
    assert targets["boundaries"].valid[0, 0].tolist() == [True, True, False, True, True, True]
    assert targets["albedo"].valid[0, 0].tolist() == [False] + [True] * 5
    assert targets["albedo"].value[0, :, 0, 1].tolist() == pytest.approx([0.5029, 1, 0], abs=1e-4)  # IEC 61966-2-1
    assert not targets["albedo"].valid[1].any()
    describe(raw, "boundaries: {lines: 3, void: 3}")
    with pytest.raises(ValueError, match="boundaries: lines and void are both 3"):
        gathered(raw)


def test_sections_may_have_any_name(raw: Path) -> None:
    """Two segmentations and a depth, each with its own folder and settings."""
    save(raw / "parts" / "1.png", np.array([[0, 1, 2, 2, 1, 0]] * 4, np.uint8))
    describe(
        raw,
        """
semseg: {classes: {3: lawn, 7: path}, palette: [[0, 200, 0], [9, 8, 7]], void: [0, 255]}
parts: {type: semseg, classes: [rest, lamp, chair]}
lidar: {type: depth, folder: depth, unit: millimeter, invalid: [0, 65535]}
""",
    )
    store, targets = gathered(raw)
    assert list(store.fields) == ["semseg", "parts", "lidar"] and store.fields["lidar"] == Depth()
    assert store.fields["parts"].classes.classes == ("rest", "lamp", "chair")
    assert targets["parts"].valid[:, 0, 0].tolist() == [False, True, False]
    assert targets["parts"].value[1, 0].tolist() == [0, 1, 2, 2, 1, 0]
    assert targets["semseg"].value[0, 0, 1] == 1 and targets["lidar"].value[0, 0, 0, 2] == 1.5


def test_a_section_of_a_users_own(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(raw.parent)
    Path("my.py").write_text(
        """
from dataclasses import dataclass
from typing import ClassVar

from taskscape.data.readers.folder import Section
from taskscape.modalities import Depth


@dataclass(frozen=True, kw_only=True)
class Feet(Section):
    name: ClassVar[str] = "feet"

    offset: float = 0.0

    def modality(self):
        return Depth()

    def read(self, stored, exact):
        return 0.3048 * (stored + self.offset), stored > 0
"""
    )
    save(raw / "depth" / "3.png", np.full((4, 6), 9, np.uint16))
    describe(raw, "distance: {type: 'my.py:Feet', folder: depth, offset: 10}")
    _, targets = gathered(raw)
    assert targets["distance"].value[0, 0, 0, 1:3].tolist() == pytest.approx([11 * 0.3048, 1510 * 0.3048])


def test_colors_may_be_black(raw: Path) -> None:
    describe(raw, "semseg: {classes: [none, lawn, path], palette: [[0, 0, 0], [0, 200, 0], [9, 8, 7]], folder: colors}")
    for index in (0, 3):
        colors = [(0, 0, 0), (9, 8, 7), (255, 255, 255)]
        save(raw / "colors" / f"{index}.png", np.array([colors * 2] * 4, np.uint8))
    _, targets = gathered(raw)
    assert targets["semseg"].valid[0, 0].tolist() == [True, True, False] * 2
    assert targets["semseg"].value[0, 0, :2].tolist() == [0, 2]


def test_inverse_depth_in_a_unit_of_its_own(raw: Path) -> None:
    for index in (0, 3):
        save(raw / "depth" / f"{index}.png", np.array([[0, 1, 2, 4, 8, 255]] * 4, np.uint8))
    describe(raw, "depth: {unit: 100, inverse: true, invalid: [255]}")
    _, targets = gathered(raw)
    assert targets["depth"].value[0, 0, 0].tolist() == [0, 100, 50, 25, 12.5, 0]


def test_splits_from_subfolders_and_lists(raw: Path, tmp_path: Path) -> None:
    save(raw / "depth" / "2.png", np.full((4, 6), 9, np.uint16))
    describe(raw, "depth: {unit: meter}\nsplits: {val: val.txt, train: train.txt}")
    (raw / "val.txt").write_text("2.png\n")
    (raw / "train.txt").write_text("3\n0\n")
    contents = Folder().contents(raw)
    assert {split: [item.name for item in items] for split, items in contents.splits.items()} == {
        "val": ["2"],
        "train": ["3", "0"],
    }
    (raw / "train.txt").write_text("3\n2\n")
    with pytest.raises(ValueError, match="2 is in val and in train"):
        Folder().contents(raw)
    (raw / "train.txt").write_text("9\n")
    with pytest.raises(ValueError, match="not there, such as 9"):
        Folder().contents(raw)
    nested = tmp_path / "nested"
    for split in ("train", "val"):
        save(nested / "images" / split / "a.png", np.zeros((4, 6, 3), np.uint8))
        save(nested / "depth" / split / "a.npy", np.full((4, 6, 1), 2.0, np.float32))
    save(nested / "images" / "val" / "b.png", np.zeros((4, 6, 3), np.uint8))
    (nested / "taskscape.yaml").write_text("depth: {unit: meter}")
    contents = Folder().contents(nested)
    assert [item.name for items in contents.splits.values() for item in items] == ["train/a", "val/a", "val/b"]
    assert [len(item.files) for items in contents.splits.values() for item in items] == [2, 2, 1]


@pytest.mark.parametrize(
    ("splits", "counts"),
    [
        ("{train: 0.7, val: 0.2, test: 0.1}", [7, 2, 1]),
        ("{train: 7, val: 3}", [7, 3]),
        ("{train: 1, val: 1}", [1, 1]),
        ("{train: 1, val: 1, test: 1}", [1, 1, 1]),
        ("{train: 0.55, val: 0.25}", [5, 3]),
    ],
)
def test_shares_and_counts(tmp_path: Path, splits: str, counts: list[int]) -> None:
    for index in range(10):
        save(tmp_path / "images" / f"{index}.png", np.zeros((4, 6, 3), np.uint8))
        save(tmp_path / "depth" / f"{index}.npy", np.ones((4, 6), np.float32))
    describe(tmp_path, f"depth: {{unit: meter}}\nsplits: {splits}")
    found = Folder().contents(tmp_path).splits
    assert [len(items) for items in found.values()] == counts
    assert [item.name for items in found.values() for item in items] == [str(i) for i in range(sum(counts))]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "describes no labels"),
        ("semseg: [1", "is not YAML"),
        ("semsec: {}", r"semsec needs a type, such as `type: semseg`; did you mean semseg\?"),
        ("depth: {unit: meter, inverze: true}", "depth: there is no field 'inverze'; did you mean inverse"),
        ("parts: {type: semsec, classes: [a]}", "parts: there is no 'semsec'; did you mean semseg"),
        ("image: {type: depth, unit: meter}", "the name image is reserved for the images"),
        ("depth: meter", "depth is 'meter': it must be a section"),
        ("[depth, splits]", "is not a mapping of sections"),
        ("semseg: {classes: nothing}", "semseg: classes: there is no class set 'nothing'"),
        ("semseg: {classes: [a, b], palette: [[1, 2, 3]]}", "2 names but 1 color: give one"),
        ("semseg: {classes: [a, b]}", r"0\.png holds \[3, 7\], neither classes nor void"),
        ("depth: {unit: inch}", r"yaml: depth: unit is 'inch': give meter"),
        ("depth: {unit: -1}", "depth: unit is -1"),
        ("depth: {inverse: true}", "depth: unit is missing: give meter, centimeter"),
        ("depth: {unit: millimeter, folder: eight}", r"8 bits, which end at 0\.255 m: 16 bits are needed"),
        (
            "depth: {unit: meter, folder: images}",
            "depth has the folder of the images, images, and no suffix of its own",
        ),
        ("depth: {unit: meter, folder: nowhere}", "lacks nowhere; it holds depth, eight, images"),
        ("depth: {unit: meter, folder: stray}", "1 file of stray/ without an image in images/, such as 9"),
        ("normals: {axes: [x, x, z]}", "name x, y and z once each"),
        ("depth: {unit: meter}\nsplits: {train: 9, val: 1}", "ask for 10 images, there are 4"),
        ("depth: {unit: meter}\nsplits: {train: 0.9, val: 0.01}", "split val gets none of 4"),
    ],
)
def test_mistakes(raw: Path, text: str, message: str) -> None:
    for index in (0, 3):
        save(raw / "eight" / f"{index}.png", np.full((4, 6), 9, np.uint8))
    save(raw / "stray" / "9.png", np.full((4, 6), 9, np.uint16))
    describe(raw, text)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        gathered(raw)


def test_a_missing_description(raw: Path) -> None:
    (raw / "taskscape.yaml").unlink()
    with pytest.raises(FileNotFoundError, match=r"taskscape\.yaml is not there.*--description"):
        Folder().contents(raw)


def test_the_example_describes_its_folder(tmp_path: Path) -> None:
    raw = tmp_path / "photographs"
    for number in range(654):
        save(raw / "image" / f"{number:04d}.jpg", np.zeros((6, 8, 3), np.uint8))
    for name in ("0000", "0653"):
        save(raw / "label13" / f"{name}.png", np.arange(48, dtype=np.uint8).reshape(6, 8) % 14)
    save(raw / "depth8" / "0000.png", np.full((6, 8), 9, np.uint8))
    contents = Folder(EXAMPLES / "nyuv2_photographs.yaml").contents(raw)
    assert contents.fields["semseg"] == Semseg(NYUV2_13)
    assert {split: len(items) for split, items in contents.splits.items()} == {"train": 500, "val": 154}
    sample = contents.read(contents.splits["train"][0])
    assert sample.values["semseg"].ravel()[:15].tolist() == [255, *range(13), 255]


@pytest.mark.skipif("TASKSCAPE_NYUV2_TEST654" not in os.environ, reason="TASKSCAPE_NYUV2_TEST654 names no folder")
def test_the_photographs_of_the_example() -> None:
    raw = Path(os.environ["TASKSCAPE_NYUV2_TEST654"])
    contents = Folder(EXAMPLES / "nyuv2_photographs.yaml", (72, 96)).contents(raw)
    names = {split: [item.name for item in items] for split, items in contents.splits.items()}
    assert (names["train"][0], names["train"][-1], names["val"][0], names["val"][-1]) == (
        "0001",
        "1158",
        "1162",
        "1449",
    )
    for item in contents.splits["val"][:5]:
        sample = contents.read(item)
        assert sample.valid["depth"].all() and 0.5 < sample.valid["semseg"].mean() <= 1
        assert np.median(sample.values["depth"]) == pytest.approx(1)


# -- check and show --------------------------------------------------------------------------------------------------


def test_check_warns_of_what_looks_wrong(tmp_path: Path) -> None:
    fields = {"semseg": Semseg(CITYSCAPES_2), "depth": Depth()}
    writer = StoreWriter(tmp_path / "store", (4, 6), {"train": 3, "val": 1}, fields, {"kind": "test"})
    for split, index, gray in (("train", 0, 1), ("train", 1, 2), ("train", 2, 2), ("val", 0, 1)):
        full, none = np.ones((4, 6), bool), np.zeros((4, 6), bool)
        values = {
            "image": np.full((4, 6, 3), gray, np.uint8),
            "semseg": np.zeros((4, 6), np.uint8),
            "depth": np.full((4, 6), 2500.0, np.float32),
        }
        valid = {"semseg": full, "depth": none if (split, index) == ("train", 1) else full}
        writer.put(split, index, Sample(values, valid, f"{split}{index}"))
    writer.finish()
    file = tmp_path / "store" / "train" / "semseg-000.npy"
    findings = check(tmp_path / "store")
    train = findings.splits["train"]
    semseg, depth = train.fields["semseg"], train.fields["depth"]
    assert train.images == 3 and semseg.histogram[:2].tolist() == [72, 0] and depth.histogram.sum() == 48
    assert semseg.valid == 1.0 and depth.valid == pytest.approx(2 / 3) and depth.without == ["train1"]
    assert depth.median == 2500 and semseg.median is None
    assert train.mean_image == pytest.approx(np.full((4, 6, 3), 5 / 3 / 255))
    text = "\n".join(findings.warnings)
    for message in (
        "semseg: no pixel of train and val is foreground",
        "the median depth is 2.5e+03 m, not 0.3 … 150 m",
        "1 of 3 images has no pixel with depth labels, such as train1",
        "1 image is in two splits, such as train/train0 = val/val0",
        "1 image occurs twice in a split, such as train/train1 = train/train2",
    ):
        assert message in text
    file.write_bytes(file.read_bytes()[:-1] + b"\x07")
    with pytest.raises(ValueError, match="damaged"):
        check(tmp_path / "store")


def test_several_stores_are_checked_and_drawn_each_by_itself(
    raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stores = [tmp_path / "made" / name for name in ("one", "two")]
    main(["prepare", "folder", str(raw), str(stores[0]), "--size", "8", "12", "--processes", "1"])
    shutil.copytree(stores[0], stores[1])
    capsys.readouterr()
    main(["data", "check", *map(str, stores)])
    printed = capsys.readouterr().out
    assert [printed.count(f"{store}:\n") for store in stores] == [1, 1]
    assert printed.count("semseg: labeled pixels") == 2
    main(["data", "show", *map(str, stores)])
    assert all(store.with_suffix(".png").exists() for store in stores)
    with pytest.raises(SystemExit):
        main(["data", "check", str(stores[0]), str(tmp_path / "three")])
    said = capsys.readouterr()
    assert "three is not there" in said.err and "labeled" not in said.out  # reported before the first one is read
    with pytest.raises(SystemExit):
        main(["data", "show", *map(str, stores), "--out", "sheet.png"])
    assert "sheet.png is one file, and 2 stores are named" in capsys.readouterr().err


def test_a_store_may_be_named_through_a_folder_that_is_missing(raw: Path, tmp_path: Path) -> None:
    for _ in range(2):  # the second finds nothing to do
        main(["prepare", "folder", str(raw), str(tmp_path / "made" / "missing" / ".."), "--processes", "1"])
    assert (tmp_path / "made" / "manifest.json").exists()


def test_commands(raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = tmp_path / "made"
    main(["prepare", "folder", str(raw), str(store), "--size", "8", "12", "--processes", "1"])
    assert "holds 3 train, 1 val" in capsys.readouterr().out
    main(["data", "check", str(store)])
    printed = " ".join(capsys.readouterr().out.split())
    assert (
        "semseg: labeled pixels 44.4 % 66.7 %" in printed and "lawn 50.00 % 50.00 %" in printed and "warning" in printed
    )
    main(["data", "show", str(store)])
    with Image.open(tmp_path / "made.png") as sheet:
        assert {(0, 200, 0), (9, 8, 7)} <= {color for _, color in sheet.convert("RGB").getcolors(1 << 16)}
    for arguments in (["prepare", "citycapes", "a", "b"], ["prepare", "folder", str(tmp_path / "no"), str(store)]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2
    errors = capsys.readouterr().err
    assert "did you mean cityscapes?" in errors and f"there is no folder {tmp_path / 'no'}" in errors.replace("\n", "")


def test_names_are_listed_without_torch() -> None:
    code = "import sys; from taskscape.cli import main; main(['prepare']); assert 'torch' not in sys.modules"
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert all(f"  {name} " in printed for name in ("cityscapes", "nyuv2", "miniscapes", "mtan", "folder"))
