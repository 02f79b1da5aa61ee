"""Data in the layouts of COCO, Pascal VOC and CVAT, read without conversion."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_cases import png

from taskscape.data import Store
from taskscape.data.prepare import prepare
from taskscape.data.readers import Coco, Cvat, RawData, Voc
from taskscape.data.readers.class_masks import read_class_mask, voc_color
from taskscape.data.readers.regions import Region, Runs, decode_lengths, fill_polygon, fill_runs, require_fit
from taskscape.data.readers.voc import VOC_21
from taskscape.modalities import Semseg

SIZE = (40, 60)


def stored(data: RawData, raw: Path) -> dict[str, dict[str, np.ndarray]]:
    """Return the ids in the store, by split and image name."""
    out = raw.parent / f"{raw.name}-store"
    manifest = prepare(data, raw, out, processes=1)
    found = {}
    for split in manifest.counts:
        store = Store.open(out, split, verify=True)
        ids = np.concatenate([np.load(path) for path in sorted((out / split).glob("semseg-*.npy"))])
        found[split] = dict(zip(store.names, ids, strict=True))
    return found


def classes_of(data: RawData, raw: Path) -> tuple[str, ...]:
    modality = data.contents(raw).fields["semseg"]
    assert isinstance(modality, Semseg)
    return modality.classes.classes


def image(path: Path, size: tuple[int, int] = SIZE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(abs(hash(path.name)) % 99)
    Image.fromarray(random.integers(0, 256, (*size, 3), np.uint8)).save(path)


# -- regions ---------------------------------------------------------------------------------------------------------


def test_compressed_run_lengths() -> None:
    """The strings were written by pycocotools 2.0."""
    small = np.zeros((5, 7), bool)
    small[1:4, 2:6] = True
    small[2, 3] = False
    large = np.zeros(SIZE, bool)
    large[5:30, 10:50] = True
    large[12:20, 20:33] = False
    for mask, text in (
        (small, ";32NO012004"),
        (large, "e<i0?" + 18 * "0" + "^O" + 12 * "I37M" + "I37?" + 32 * "0" + "[<"),
    ):
        height, width = mask.shape
        assert np.array_equal(fill_runs(Runs(decode_lengths(text), (0, 0, height, width), by_column=True)), mask)
    for text, error in ((";3 ", "run lengths"), ("P", "cut off"), ("o" * 40, "run lengths")):
        with pytest.raises(ValueError, match=error):
            decode_lengths(text)


def test_polygons() -> None:
    """pycocotools agrees except at borders, which it widens."""
    text = "k=>j0=DO01O00000000010O000000000010O0000000001O01O00000001O0001O00000N2L4L4K6K4L[<"
    theirs = fill_runs(Runs(decode_lengths(text), (0, 0, *SIZE), by_column=True))
    corners = np.array([[10.5, 3.2], [50.1, 8.7], [44, 35.5], [12.3, 30.2]], np.float32)
    ours = fill_polygon(corners, SIZE)
    x, y = corners.T
    area = abs(float(x @ np.roll(y, 1) - y @ np.roll(x, 1))) / 2
    assert abs(int(ours.sum()) - area) < 3 and (theirs ^ ours).sum() < 20
    square = fill_polygon(np.array([[2, 1], [5, 1], [5, 3], [2, 3]], np.float32), SIZE)
    assert square.sum() == 6 and square[1:3, 2:5].all()
    outside = fill_polygon(np.array([[-1e9, -1e9], [1e9, -1e9], [1e9, 1e9], [-1e9, 1e9]], np.float32), SIZE)
    assert outside.all()
    with pytest.raises(ValueError, match="not numbers"):
        require_fit(Region(0, (np.array([[0, 0], [np.inf, 3], [4, np.nan]], np.float32),)), SIZE)


@pytest.mark.parametrize("lengths", [(3, 4), (-1, 25), (2**62, 2**62)])
def test_run_lengths_that_do_not_fit(lengths: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="runs of"):
        require_fit(Region(0, runs=Runs(lengths, (0, 0, 4, 6), by_column=True)), SIZE)


# -- COCO ------------------------------------------------------------------------------------------------------------

CATEGORIES = [{"id": 7, "name": "dog"}, {"id": 3, "name": "person"}]


def coco(raw: Path, name: str, first: int, **changes: Any) -> None:
    """Write images: a person in front of a dog, and a crowd; the last one without an annotation."""
    folder = raw / name
    images = [{"id": first + i, "file_name": f"{first + i:06d}.png", "height": 40, "width": 60} for i in range(3)]
    for one in images:
        image(folder / str(one["file_name"]))

    def annotated(index: int, category: int, area: float, *polygons: list[float]) -> dict[str, Any]:
        return {"image_id": first + index, "category_id": category, "area": area, "segmentation": list(polygons)}

    annotations = [
        annotated(0, 3, 50, [10, 10, 20, 10, 20, 15, 10, 15]),
        annotated(0, 7, 900, [5, 5, 35, 5, 35, 35, 5, 35]),
        annotated(1, 7, 4, [12, 6, 14, 6, 14, 8, 12, 8]),
        annotated(1, 3, 1) | {"iscrowd": 1, "segmentation": {"size": [40, 60], "counts": [400, 800, 1200]}},
        annotated(2, 3, 9),
    ]
    content = {"images": images, "categories": CATEGORIES, "annotations": annotations} | changes
    (raw / "annotations").mkdir(parents=True, exist_ok=True)
    (raw / "annotations" / f"instances_{name}.json").write_text(json.dumps(content))


def test_coco_instances(tmp_path: Path) -> None:
    raw = tmp_path / "coco"
    coco(raw, "train2017", 1)
    coco(raw, "val2017", 11)
    assert classes_of(Coco(), raw) == ("background", "person", "dog")
    assert classes_of(Coco(background="void"), raw) == ("person", "dog")
    found = stored(Coco(), raw)
    assert list(found) == ["train", "val"] and list(found["train"]) == ["000001", "000002", "000003"]
    expected = np.zeros(SIZE, np.uint8)
    expected[5:35, 5:35] = 2
    expected[10:15, 10:20] = 1  # the smaller in front
    assert np.array_equal(found["train"]["000001"], expected)
    crowd = np.zeros(SIZE, np.uint8)
    crowd[:, 10:30] = 1
    crowd[6:8, 12:14] = 2
    assert np.array_equal(found["val"]["000012"], crowd)
    assert not found["train"]["000003"].any()
    (void := tmp_path / "void").symlink_to(raw)
    expected = np.where(expected == 0, 255, expected - 1)
    assert np.array_equal(stored(Coco(background="void"), void)["train"]["000001"], expected)


def test_one_list_of_coco_is_divided(tmp_path: Path) -> None:
    coco(tmp_path / "one", "default", 1)
    found = stored(Coco(size=(20, 30)), tmp_path / "one")
    assert {split: list(names) for split, names in found.items()} == {"train": ["000001", "000002"], "val": ["000003"]}
    assert found["train"]["000001"].shape == (20, 30)


def test_coco_beside_its_images(tmp_path: Path) -> None:
    for name, first in (("train", 1), ("valid", 11)):
        coco(tmp_path / "made", name, first)
        path = tmp_path / "made" / "annotations" / f"instances_{name}.json"
        path.rename(tmp_path / "made" / name / "_annotations.coco.json")
    assert {split: len(some) for split, some in stored(Coco(), tmp_path / "made").items()} == {"train": 3, "val": 3}


def test_coco_panoptic(tmp_path: Path) -> None:
    raw = tmp_path / "panoptic"
    for name, first in (("train2017", 1), ("val2017", 11)):
        image(raw / "images" / name / f"{first}.png")
        segments = np.zeros((*SIZE, 3), np.uint8)
        segments[:20] = 1, 2, 3  # 1 + 2 · 256 + 3 · 65536
        segments[20:30] = 200, 0, 0
        folder = raw / "annotations" / f"panoptic_{name}"
        folder.mkdir(parents=True)
        Image.fromarray(segments).save(folder / f"{first}.png")
        infos = [{"id": 197121, "category_id": 3}, {"id": 200, "category_id": 7}]
        content = {
            "images": [{"id": first, "file_name": f"{first}.png", "height": 40, "width": 60}],
            "categories": [{"id": 3, "name": "sky", "color": [1, 2, 3]}, {"id": 7, "name": "road", "color": [4, 5, 6]}],
            "annotations": [{"image_id": first, "file_name": f"{first}.png", "segments_info": infos}],
        }
        (raw / "annotations" / f"panoptic_{name}.json").write_text(json.dumps(content))
    with pytest.raises(FileNotFoundError, match="pass --kind panoptic"):
        Coco().contents(raw)
    found = stored(Coco("panoptic"), raw)
    expected = np.repeat(np.array([0, 0, 1, 255], np.uint8), 10)[:, None].repeat(60, 1)
    assert classes_of(Coco("panoptic"), raw) == ("sky", "road") and np.array_equal(found["val"]["11"], expected)
    (raw / "annotations" / "panoptic_val2017.json").write_text(json.dumps(content | {"annotations": []}))
    with pytest.raises(ValueError, match=r"panoptic_val2017.json, image 11.png: it has 0 annotations instead of one"):
        Coco("panoptic").contents(raw)


FAULTS = [
    ({"categories": []}, "category 3, which is not listed"),
    ({"images": []}, "is not in COCO's instances format"),
    ({"annotations": [{"image_id": 99}]}, "is not in COCO's instances format"),
    ({"annotations": [{"image_id": 1, "category_id": 3, "bbox": [1, 2, 3, 4]}]}, "at most boxes"),
    ({"annotations": [{"image_id": 1, "category_id": 5, "segmentation": [[1, 2, 3, 4, 5, 6]]}]}, "category 5, which"),
    ({"annotations": [{"image_id": 1, "category_id": 3, "segmentation": [[1, 2, 3]]}]}, "not pairs of x and y"),
    (
        {"annotations": [{"image_id": 1, "category_id": 3, "segmentation": {"size": [4, 6], "counts": "1"}}]},
        r"size \(4, 6\) instead",
    ),
    (
        {"images": [{"id": 1, "file_name": "../../secret.png", "height": 40, "width": 60}], "annotations": []},
        "secret.png",
    ),
]


@pytest.mark.parametrize(("changes", "error"), FAULTS)
def test_faults_of_coco_name_the_file(tmp_path: Path, changes: dict[str, Any], error: str) -> None:
    coco(tmp_path, "train2017", 1, **changes)
    image(tmp_path.parent / "secret.png")
    with pytest.raises(ValueError, match=error) as raised:
        Coco().contents(tmp_path)
    assert "instances_train2017.json" in str(raised.value)


def test_coco_of_other_images_is_refused(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    coco(raw, "train2017", 1)
    image(raw / "train2017" / "000001.png", (60, 40))
    with pytest.raises(ValueError, match=r"000001.png has 60x40 pixels, and its annotation 40x60"):
        stored(Coco(), raw)
    (raw / "annotations" / "instances_train2017.json").write_text("{")
    with pytest.raises(ValueError, match="not readable JSON"):
        Coco().contents(raw)
    with pytest.raises(FileNotFoundError, match=r"neither annotations/instances_\*.json"):
        Coco().contents(tmp_path)


# -- Pascal VOC ------------------------------------------------------------------------------------------------------


def palette_png(path: Path, ids: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(ids)
    picture.putpalette([channel for index in range(256) for channel in voc_color(index)])
    picture.save(path)


def lists(raw: Path, **names: list[str]) -> None:
    folder = raw / "ImageSets" / "Segmentation"
    folder.mkdir(parents=True)
    for name, some in names.items():
        (folder / f"{name}.txt").write_text("\n".join(some) + "\n")


def voc_ids(seed: int) -> np.ndarray:
    ids = np.random.default_rng(seed).integers(0, 21, SIZE).astype(np.uint8)
    ids[0] = 255
    return ids


def test_voc(tmp_path: Path) -> None:
    raw = tmp_path / "VOC2012"
    names = ["2007_000032", "2007_000039", "2007_000063"]
    for seed, name in enumerate(names):
        image(raw / "JPEGImages" / f"{name}.jpg")
        palette_png(raw / "SegmentationClass" / f"{name}.png", voc_ids(seed))
    image(raw / "JPEGImages" / "2007_unlabeled.jpg")
    lists(raw, train=names[:2], val=names[2:], trainval=names, test=["2008_000001"])
    found = stored(Voc(), raw)
    assert {split: list(some) for split, some in found.items()} == {"train": names[:2], "val": names[2:]}
    assert np.array_equal(found["val"][names[2]], voc_ids(2)) and classes_of(Voc(), raw)[20] == "tvmonitor"
    assert voc_color(255) == (224, 224, 192) and VOC_21.palette[15] == (192, 128, 128)
    (raw / "ImageSets" / "Segmentation" / "val.txt").write_text("nowhere\n")
    with pytest.raises(ValueError, match=r"val.txt names 1 of 1 images that .*JPEGImages does not have"):
        Voc().contents(raw)


def test_voc_masks_by_color_and_by_number(tmp_path: Path) -> None:
    raw, names = tmp_path / "raw", ["gray", "rgb", "other_palette", "bad"]
    colors = np.array([voc_color(index) for index in range(256)], np.uint8)
    for name in names:
        image(raw / "JPEGImages" / f"{name}.jpg")
    folder = raw / "SegmentationClass"
    palette_png(folder / "other_palette.png", voc_ids(0))
    with Image.open(folder / "other_palette.png") as picture:
        picture.putpalette([index for index in range(256) for _ in range(3)])
        picture.save(folder / "other_palette.png")
    Image.fromarray(voc_ids(0)).save(folder / "gray.png")
    Image.fromarray(colors[voc_ids(0)]).save(folder / "rgb.png")
    Image.fromarray(voc_ids(0)).save(folder / "bad.png")
    lists(raw, train=names[:3], val=names[3:])
    assert all(np.array_equal(ids, voc_ids(0)) for ids in stored(Voc(), raw)["train"].values())
    contents = Voc().contents(raw)
    Image.fromarray(np.full(SIZE, 21, np.uint8)).save(folder / "bad.png")
    with pytest.raises(ValueError, match=r"bad.png has numbers of no class, such as 21"):
        contents.read(contents.splits["val"][0])
    Image.fromarray(np.full((*SIZE, 3), 7, np.uint8)).save(folder / "bad.png")
    with pytest.raises(ValueError, match=r"bad.png has colors of no class, such as \(7, 7, 7\)"):
        contents.read(contents.splits["val"][0])
    Image.fromarray(voc_ids(0)[:20]).save(folder / "bad.png")
    with pytest.raises(ValueError, match=r"bad.jpg has 40x60 pixels, and .*bad.png 20x60"):
        contents.read(contents.splits["val"][0])


def test_masks_are_read_as_they_are_stored(tmp_path: Path) -> None:
    """Pillow scales 4-bit gray to 0 … 255, which would change the class of 1; transparent pixels have none."""
    numbers = {number: number for number in range(21)}
    ids = voc_ids(0) % 15
    (tmp_path / "four.png").write_bytes(png(ids, 4, 0))
    assert np.array_equal(read_class_mask(tmp_path / "four.png", {}, numbers), ids)
    clear = Image.fromarray(ids)
    clear.putalpha(Image.fromarray(np.where(ids == 3, 0, 255).astype(np.uint8)))
    clear.save(tmp_path / "clear.png")
    found = read_class_mask(tmp_path / "clear.png", {}, numbers)
    assert np.array_equal(found, np.where(ids == 3, 255, ids)) and (ids == 3).any()
    Image.fromarray(ids).convert("RGB").save(tmp_path / "lossy.webp", quality=50)
    with pytest.raises(ValueError, match=r"lossy\.webp is in a lossy format, which changes labels: save it as"):
        read_class_mask(tmp_path / "lossy.webp", {(0, 0, 0): 0}, numbers)


# -- CVAT ------------------------------------------------------------------------------------------------------------


def cvat_masks(raw: Path) -> np.ndarray:
    raw.mkdir(parents=True)
    (raw / "labelmap.txt").write_text(
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\nlawn:9,200,9::\npath:99,99,99::\n"
    )
    ids = np.random.default_rng(0).integers(0, 3, SIZE).astype(np.uint8)
    colors = np.array([(0, 0, 0), (9, 200, 9), (99, 99, 99)], np.uint8)
    for name, ending in (("b", "gif"), ("a/1", "ppm"), ("c", "jpg")):
        image(raw / "JPEGImages" / f"{name}.{ending}")
        (raw / "SegmentationClass" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(colors[ids]).save(raw / "SegmentationClass" / f"{name}.png")
    lists(raw, default=["b", "a/1", "c"])
    return ids


def test_cvat_masks(tmp_path: Path) -> None:
    ids = cvat_masks(tmp_path / "cvat")
    found = stored(Cvat(), tmp_path / "cvat")
    assert {split: list(some) for split, some in found.items()} == {"train": ["b", "a/1"], "val": ["c"]}
    assert classes_of(Cvat(), tmp_path / "cvat") == ("background", "lawn", "path")
    assert np.array_equal(found["train"]["a/1"], ids)
    (void := tmp_path / "void").symlink_to(tmp_path / "cvat")
    assert classes_of(Cvat("void"), void) == ("lawn", "path")
    assert np.array_equal(stored(Cvat("void"), void)["val"]["c"], np.where(ids == 0, 255, ids - 1))
    with pytest.raises(ValueError, match="prepare it with the reader cvat"):
        Voc().contents(_renamed_list(tmp_path / "cvat"))


def _renamed_list(raw: Path) -> Path:
    folder = raw / "ImageSets" / "Segmentation"
    (folder / "default.txt").rename(folder / "train.txt")
    return raw


@pytest.mark.parametrize(
    ("line", "error"),
    [("lawn", "must be NAME:RED,GREEN,BLUE"), ("x:1,2,300::", "0 … 255"), ("x:9,200,9::", "in an earlier line")],
)
def test_faults_of_a_labelmap_name_the_line(tmp_path: Path, line: str, error: str) -> None:
    cvat_masks(tmp_path / "cvat")
    with (tmp_path / "cvat" / "labelmap.txt").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(ValueError, match=f"labelmap.txt, line 5.*{error}"):
        Cvat().contents(tmp_path / "cvat")


SHAPES = """
<polygon label="lawn" points="5.0,5.0;35.0,5.0;35.0,35.0;5.0,35.0" z_order="0"/>
<box label="path" xtl="30" ytl="0" xbr="40" ybr="40" z_order="-1"/>
<mask label="path" rle="1, 2, 3" left="6" top="7" width="3" height="2" z_order="2"/>
<ellipse label="lawn" cx="50" cy="20" rx="6" ry="4" z_order="0"/>
<polyline label="path" points="1,2;3,4" z_order="0"/>
"""


def cvat_xml(raw: Path, shapes: str = SHAPES, head: str = "", label: str = "lawn") -> Path:
    images = "".join(
        f'<image id="{index}" name="{name}" width="60" height="40" subset="{subset}">{shapes}</image>'
        for index, (name, subset) in enumerate([("a.png", "Train"), ("b.png", "Train"), ("c.png", "Validation")])
    )
    labels = f"<label><name>{label}</name><color>#09c809</color></label><label><name>path</name><color/></label>"
    raw.mkdir(parents=True, exist_ok=True)
    (raw / "annotations.xml").write_text(
        f'<?xml version="1.0" encoding="utf-8"?>{head}<annotations><version>1.1</version><meta><task><labels>{labels}'
        f"</labels></task></meta>{images}</annotations>"
    )
    for subset, name in (("Train", "a"), ("Train", "b"), ("Validation", "c")):
        image(raw / "images" / subset / f"{name}.png")
    return raw


def test_cvat_xml(tmp_path: Path) -> None:
    raw = cvat_xml(tmp_path / "xml")
    found = stored(Cvat(), raw)
    assert {split: list(some) for split, some in found.items()} == {"train": ["a", "b"], "val": ["c"]}
    expected = np.zeros(SIZE, np.uint8)
    expected[:40, 30:40] = 2
    expected[5:35, 5:35] = 1
    expected[7, 7:9] = 2  # one pixel outside, two inside, three outside in a window of 2 × 3
    ids = found["val"]["c"]
    assert np.array_equal(ids[:, :44], expected[:, :44])
    assert abs(int((ids[:, 44:] == 1).sum()) - np.pi * 24) < 6
    contents = Cvat("void").contents(raw)
    sample = contents.read(contents.splits["train"][0])
    assert contents.source["left out"] == {"polyline": 3} and classes_of(Cvat("void"), raw) == ("lawn", "path")
    assert np.array_equal(sample.valid["semseg"][:, :44], expected[:, :44] > 0)


def test_faults_of_cvat_name_the_file(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa">]>'
    for head, shapes, label, error in (
        (bomb, SHAPES, "lawn", "declares a document type"),
        ("<broken>", SHAPES, "lawn", "damaged or not XML"),
        ("", SHAPES, "grass", "image a.png: label 'lawn' is not one of background, grass, path"),
        ("", '<box label="path" xtl="30"/>', "lawn", "image a.png: 'ytl' is missing"),
        ("", '<polygon label="path" points="8,4,0;40,4,0"/>', "lawn", "'8,4,0;40,4,0', which are not of the form x,y;"),
        ("", '<polygon label="path" points="8,4;nan,4"/>', "lawn", "the annotations of a: .* that are not numbers"),
        (
            *("", '<mask label="path" rle="1, 2, 3" left="60" top="7" width="3" height="2"/>', "lawn"),
            r"the annotations of a: a mask at \(7, 60\) of \(2, 3\) is not in an image",
        ),
    ):
        with pytest.raises(ValueError, match=error) as raised:
            Cvat().contents(cvat_xml(tmp_path / "xml", shapes, head, label))
        assert "annotations.xml" in str(raised.value)
    with pytest.raises(FileNotFoundError, match=r"neither annotations.xml nor labelmap.txt"):
        Cvat().contents(tmp_path)
