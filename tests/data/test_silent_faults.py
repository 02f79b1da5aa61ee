"""Faults of data sets that could go unnoticed: each is an error with the file's name, a warning, or read correctly."""

import io
import json
import struct
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import raw_files
from PIL import Image
from raw_files import save
from test_exports import SIZE, coco, cvat_masks, cvat_xml, image, lists, palette_png, voc_ids

from taskscape.batch import Sample
from taskscape.data.readers import CamVid, Cityscapes, Coco, Cvat, Folder, Miniscapes, MtanArrays, Nyuv2, RawData, Voc

PARTIAL = pytest.mark.filterwarnings("ignore:.*are left out")


def first(data: RawData, raw: Path) -> Sample:
    contents = data.contents(raw)
    return contents.read(contents.splits["train"][0])


def edit(pattern: str, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    """Change the first file of a pattern: its array, or its JSON."""

    def apply(raw: Path) -> None:
        path = sorted(raw.glob(pattern))[0]
        if path.suffix == ".json":
            path.write_text(json.dumps(change(json.loads(path.read_text()))))
        elif path.suffix == ".npy":
            np.save(path, change(np.load(path)))
        else:
            with Image.open(path) as picture:
                array = np.asarray(picture)
            Image.fromarray(change(array)).save(path)

    return apply


CITYSCAPES = Cityscapes(size=(8, 16), partial=True)
MTAN = MtanArrays("cityscapes", partial=True)
FAULTS = [
    (CITYSCAPES, edit("gtFine/train/*/*", np.transpose), r"labelIds.png is 16x8, and its image 8x16"),
    (CITYSCAPES, edit("disparity/train/*/*", lambda p: p[:, :-8]), r"disparity.png is 8x8, and its image 8x16"),
    (CITYSCAPES, edit("gtFine/train/*/*", lambda ids: ids + 34), r"labelIds.png has id \d+, and ids end at 33"),
    (
        CITYSCAPES,
        edit("camera/train/*/*", lambda camera: camera | {"intrinsic": {"fx": float("nan")}}),
        r"camera.json: extrinsic.baseline times intrinsic.fx is nan",
    ),
    (Miniscapes(), edit("train/semseg/*", np.transpose), r"semseg/000000.png is 10x6, and its image 6x10"),
    (Miniscapes(), edit("train/depth/*", np.transpose), r"depth/000000.png is 10x6, and its image 6x10"),
    (MTAN, edit("train/label/0.npy", np.transpose), r"label/0.npy has shape \(48, 24\) instead of \(24, 48\)"),
    (MTAN, edit("train/depth/0.npy", lambda a: np.repeat(a, 3, 2)), r"depth/0.npy has shape \(24, 48, 3\) instead"),
    (MTAN, edit("train/label/0.npy", lambda ids: ids + 0.5), r"label/0.npy has id 18.5"),
]


@PARTIAL
@pytest.mark.parametrize(("data", "fault", "error"), FAULTS)
def test_labels_that_do_not_fit_are_refused(tmp_path: Path, data: RawData, fault: Any, error: str) -> None:
    if isinstance(data, Cityscapes):
        raw_files.cityscapes(tmp_path, cameras=True)
    elif isinstance(data, Miniscapes):
        raw_files.miniscapes(tmp_path)
        for split, count in (("train", 3), ("val", 2)):
            (tmp_path / split / "streets.json").write_text(json.dumps({"count": count}))
    else:
        raw_files.mtan(tmp_path, "cityscapes")
    first(data, tmp_path)
    fault(tmp_path)
    with pytest.raises(ValueError, match=error):
        first(data, tmp_path)


def test_labels_of_7_classes_are_not_taken_for_19(tmp_path: Path) -> None:
    raw_files.mtan(tmp_path, "cityscapes")
    for path in tmp_path.glob("*/label/*"):
        np.save(path, np.load(path).clip(-1, 6))
    with pytest.raises(ValueError, match=r"train/label: the ids .* end at 6, as with 7 classes: give --classes 7"):
        MTAN.contents(tmp_path)
    for classes in (7, 19):
        assert MtanArrays("cityscapes", classes=classes, partial=True).contents(tmp_path)


def test_ids_that_are_no_numbers_have_no_class(tmp_path: Path) -> None:
    raw_files.mtan(tmp_path, "cityscapes")
    edit("train/label/0.npy", lambda ids: np.where(ids == 0, np.nan, np.where(ids == 1, -65534, ids)))(tmp_path)
    before, sample = np.load(tmp_path / "val/label/0.npy"), first(MTAN, tmp_path)
    assert before.shape == sample.values["semseg"].shape
    assert not np.isin(sample.values["semseg"][sample.valid["semseg"]], (0, 1)).any()
    assert 0.8 < sample.valid["semseg"].mean() < 0.9


def test_what_is_partial_is_said(tmp_path: Path) -> None:
    raw_files.cityscapes(tmp_path)
    sorted(tmp_path.glob("gtFine/train/*/*"))[0].unlink()
    with pytest.warns(UserWarning, match=r"1 of 3 images is left out, such as aachen_000000_000019, .* no gtFine"):
        assert len(CITYSCAPES.contents(tmp_path).splits["train"]) == 2


def test_lists_of_camvid_that_overlap(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        save(tmp_path / split / f"{split}0.png", np.zeros((6, 10, 3), np.uint8))
        save(tmp_path / f"{split}annot" / f"{split}0.png", np.zeros((6, 10), np.uint8))
    (tmp_path / "train.txt").write_text("/SegNet/CamVid/train/train0.png x\n/SegNet/CamVid/val/val0.png x\n")
    (tmp_path / "val.txt").write_text("/SegNet/CamVid/val/val0.png x\n")
    with pytest.raises(ValueError, match="val0 is in train and in val: list it once"):
        CamVid(partial=True).contents(tmp_path)


# -- COCO, VOC, CVAT ---------------------------------------------------------------------------------------------------

IMAGES = [{"id": index, "file_name": f"00000{index}.png", "height": 40, "width": 60} for index in range(1, 4)]
INSIDE = [10, 10, 20, 10, 20, 15, 10, 15]


def drawn(*polygons: list[float], category: int = 3, **more: Any) -> dict[str, Any]:
    return {"image_id": 1, "category_id": category, "segmentation": list(polygons), **more}


def test_regions_that_cover_nothing(tmp_path: Path) -> None:
    outside, normalized = [100, 100, 120, 100, 120, 120], [0.1, 0.1, 0.4, 0.1, 0.4, 0.4]
    coco(tmp_path, "train2017", 1, annotations=[drawn(INSIDE), drawn(outside), drawn([1, 1, 9, 9])])
    with pytest.warns(UserWarning, match=r"train2017.json: 2 of 3 regions cover no pixel .* one of 000001"):
        assert (first(Coco(), tmp_path).values["semseg"] == 1).sum() == 50
    coco(tmp_path, "train2017", 1, annotations=[drawn(normalized), drawn(normalized, outside)])
    with pytest.raises(ValueError, match=r"2 of 2 regions cover no pixel .* export coordinates in pixels"):
        Coco().contents(tmp_path)
    raw = cvat_xml(tmp_path / "xml", '<polygon label="path" points="70,1;80,1;80,9" z_order="0"/>')
    with pytest.raises(ValueError, match=r"annotations.xml: 3 of 3 regions cover no pixel"):
        Cvat().contents(raw)


def test_coordinates_that_are_shares_of_the_image(tmp_path: Path) -> None:
    """Such a polygon around the center covers one pixel."""
    shares = [0.1, 0.1, 0.9, 0.1, 0.9, 0.9, 0.1, 0.9]
    coco(tmp_path, "train2017", 1, annotations=[drawn(shares), drawn([])])
    with pytest.raises(ValueError, match=r"train2017.json: all polygons lie within the first pixel"):
        Coco().contents(tmp_path)


def test_images_that_are_not_labeled_yet(tmp_path: Path) -> None:
    coco(tmp_path, "train2017", 1, annotations=[drawn(INSIDE)])
    with pytest.warns(UserWarning, match=r"train2017.json: 2 of 3 images have no region, such as 000002: .* leave"):
        Coco().contents(tmp_path)


def test_regions_of_a_larger_image(tmp_path: Path) -> None:
    """The sizes in the file are those of the images, as if these were resized and the polygons were not."""
    coco(tmp_path, "train2017", 1, annotations=[drawn(INSIDE), drawn([20, 20, 118, 20, 118, 78, 20, 78])])
    with pytest.warns(UserWarning, match=r"train2017.json: 1 of 2 regions extends beyond the image, .* one of 000001"):
        Coco().contents(tmp_path)


def test_the_smaller_is_in_front_without_areas_too(tmp_path: Path) -> None:
    large, runs = [5, 5, 35, 5, 35, 35, 5, 35], {"size": [40, 60], "counts": [40 * 12 + 12, 2, 2400 - 40 * 12 - 14]}
    mask = drawn(category=7) | {"segmentation": runs}
    coco(tmp_path, "train2017", 1, annotations=[mask, drawn(INSIDE), drawn(large, category=7, area=0)])
    ids = first(Coco(), tmp_path).values["semseg"]
    assert (ids == 1).sum() == 48 and (ids[12:14, 12] == 2).all() and (ids == 2).sum() == 900 - 48


def test_images_and_masks_of_no_list_are_said(tmp_path: Path) -> None:
    coco(tmp_path / "coco", "train2017", 1, annotations=[drawn(INSIDE)], images=IMAGES[:2])
    with pytest.warns(UserWarning, match=r"1 of 3 files is in no list, such as .*000003.png, and not used"):
        Coco().contents(tmp_path / "coco")
    cvat_masks(tmp_path / "cvat")
    (tmp_path / "cvat/ImageSets/Segmentation/default.txt").write_text("b\na/1\n")
    with pytest.warns(UserWarning, match=r"1 of 3 files is in no list, such as .*c.png, and not used"):
        Cvat().contents(tmp_path / "cvat")


def test_an_image_that_is_listed_twice(tmp_path: Path) -> None:
    twice = [*IMAGES, {"id": 50, "file_name": "000001.png", "height": 40, "width": 60}]
    coco(tmp_path, "train2017", 1, images=twice, annotations=[drawn(INSIDE)])
    coco(tmp_path, "val2017", 11)
    with pytest.raises(ValueError, match="000001 is twice in train: list it once"):
        Coco().contents(tmp_path)


def test_images_of_another_size_are_found_before_any_is_read(tmp_path: Path) -> None:
    coco(tmp_path / "coco", "train2017", 1)
    image(tmp_path / "coco/train2017/000003.png", (60, 40))
    with pytest.raises(ValueError, match=r"000003.png has 60x40 pixels, and its annotation 40x60: give the image"):
        Coco().contents(tmp_path / "coco")
    raw = tmp_path / "cvat"
    cvat_masks(raw)
    turned = Image.Exif()
    turned[0x0112] = 6  # stored on its side, as the mask of a rotated photograph may be
    with Image.open(raw / "SegmentationClass/b.png") as mask:
        mask.rotate(90, expand=True).save(raw / "SegmentationClass/b.png", exif=turned)
    Cvat().contents(raw)
    image(raw / "JPEGImages/c.jpg", (20, 60))
    with pytest.raises(ValueError, match=r"c.jpg has 20x60 pixels, and .*c.png 40x60: give the image"):
        Cvat().contents(raw)


def test_names_in_two_forms_of_unicode(tmp_path: Path) -> None:
    composed, decomposed = (unicodedata.normalize(form, "größe") for form in ("NFC", "NFD"))
    raw = tmp_path / "voc"
    for name in (decomposed, "other"):
        image(raw / "JPEGImages" / f"{name}.jpg")
    for name in (composed, "other"):
        palette_png(raw / "SegmentationClass" / f"{name}.png", voc_ids(0))
    lists(raw, train=[composed], val=["other"])
    assert np.array_equal(first(Voc(), raw).values["semseg"], voc_ids(0))
    named = [{"id": 1, "file_name": f"{composed}.png", "height": 40, "width": 60}, *IMAGES[1:]]
    coco(tmp_path / "coco", "train2017", 1, images=named, annotations=[drawn(INSIDE)])
    (tmp_path / "coco/train2017/000001.png").rename(tmp_path / "coco/train2017" / f"{decomposed}.png")
    assert (first(Coco(), tmp_path / "coco").values["semseg"] == 1).sum() == 50


def test_a_labelmap_without_background(tmp_path: Path) -> None:
    raw = tmp_path / "cvat"
    ids = cvat_masks(raw)
    path = raw / "labelmap.txt"
    path.write_text("".join(line for line in path.read_text().splitlines(True) if "background" not in line))
    assert np.array_equal(first(Cvat(), raw).values["semseg"], ids)
    assert np.array_equal(first(Cvat("void"), raw).values["semseg"], np.where(ids == 0, 255, ids - 1))
    Image.fromarray(np.ones(SIZE, np.uint8)).save(raw / "SegmentationClass" / "b.png")  # the second of the lines
    assert (first(Cvat(), raw).values["semseg"] == 2).all()


# -- a user's folder ---------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write four images of 4×6 with ids 0 … 2, two each in train and val, and without a description of splits."""
    for split, names in (("train", "01"), ("val", "23")):
        for name in names:
            save(tmp_path / "images" / split / f"{name}.png", np.full((4, 6, 3), 50 * int(name), np.uint8))
            save(tmp_path / "semseg" / split / f"{name}.png", np.array([[0, 1, 2, 0, 1, 2]] * 4, np.uint8))
    (tmp_path / "taskscape.yaml").write_text("semseg: {classes: [a, b, c]}\n")
    return tmp_path


def test_a_list_never_takes_an_image_of_another_folder(folder: Path) -> None:
    description = "splits: {train: train.txt, val: val.txt}\nsemseg: {classes: [a, b, c]}\n"
    (folder / "taskscape.yaml").write_text(description)
    (folder / "train.txt").write_text("/elsewhere/train/rgb/0.png\n")
    (folder / "val.txt").write_text("val/1.png\nval/2.png\n")
    with pytest.raises(ValueError, match=r"val.txt lists 1 image that is not there, such as val/1.png"):
        Folder().contents(folder)
    (folder / "val.txt").write_text("2.png label.png\n/elsewhere/val/3.png\n")
    with pytest.warns(UserWarning, match="in no split"):
        splits = Folder().contents(folder).splits
    assert {split: [one.name for one in some] for split, some in splits.items()} == {
        "train": ["train/0"],
        "val": ["val/2", "val/3"],
    }
    (folder / "val.txt").write_text("2 3.png\n")  # the name of one image, with a space
    with pytest.raises(ValueError, match=r"lists 1 image that is not there, such as 2 3.png"):
        Folder().contents(folder)


def test_ids_beyond_those_that_a_file_can_hold(folder: Path) -> None:
    (folder / "taskscape.yaml").write_text("semseg: {classes: {300: z, 0: a, 1: b, 2: c}}\n")
    label = Image.fromarray(np.array([[0, 1, 2, 0, 1, 2]] * 4, np.uint8))
    label.putalpha(Image.fromarray(np.array([[0] * 6, *[[255] * 6] * 3], np.uint8)))
    label.save(folder / "semseg/train/0.png")
    sample = first(Folder(), folder)
    assert sample.values["semseg"].tolist() == [[255] * 6, *[[1, 2, 3, 1, 2, 3]] * 3]
    assert sample.valid["semseg"].tolist() == [[False] * 6, *[[True] * 6] * 3]


def test_a_tiff_that_stores_other_numbers_than_it_shows(folder: Path) -> None:
    (folder / "semseg/train/0.png").unlink()
    content = io.BytesIO()
    Image.fromarray(np.array([[0, 1, 2, 0, 1, 2]] * 4, np.uint8)).save(content, "TIFF")
    photometric = struct.pack("<HHI", 262, 3, 1)  # the tag, of one short
    before, after = (photometric + struct.pack("<I", value) for value in (1, 0))
    assert before in content.getvalue()
    path = folder / "semseg/train/0.tif"
    path.write_bytes(content.getvalue())
    assert first(Folder(), folder).values["semseg"].tolist() == [[0, 1, 2, 0, 1, 2]] * 4
    path.write_bytes(content.getvalue().replace(before, after))
    with pytest.raises(ValueError, match=r"0.tif is a TIFF whose 0 is white .*save it as PNG"):
        first(Folder(), folder)


@pytest.mark.parametrize(
    ("start", "kind"), [(b"v/1\x01", "OpenEXR"), (b"PF\n6 4\n", "a color PFM"), (b"II*\0", "a TIFF")]
)
def test_formats_that_are_not_read_are_named(folder: Path, start: bytes, kind: str) -> None:
    (folder / "semseg/train/0.png").write_bytes(start + bytes(60))
    with pytest.raises(ValueError, match=rf"0.png is damaged or not an image \(it is {kind}.* a label as .npy\)"):
        Folder().contents(folder)


def test_a_space_is_no_suffix(folder: Path) -> None:
    (folder / "semseg/train/0.png").rename(folder / "semseg/train/0 .png")
    with pytest.raises(ValueError, match=r"without an image .* such as train/0 : remove them, or give them"):
        Folder().contents(folder)


def test_a_late_file_with_other_colors_is_noticed(tmp_path: Path) -> None:
    """An id would mean a different class there."""
    colors = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)
    for index in range(12):
        save(tmp_path / "images" / f"{index:02d}.png", np.full((4, 6, 3), 20 * index, np.uint8))
        label = Image.fromarray(np.array([[0, 1, 2, 0, 1, 2]] * 4, np.uint8))
        label.putpalette((colors[[2, 0, 1]] if index == 10 else colors).tobytes())
        (tmp_path / "semseg").mkdir(exist_ok=True)
        label.save(tmp_path / "semseg" / f"{index:02d}.png")
    (tmp_path / "taskscape.yaml").write_text("semseg: {classes: [a, b, c]}\n")
    with pytest.warns(UserWarning, match="the palettes of the files differ: the index 0 has several colors"):
        Folder().contents(tmp_path)


def test_a_suffix_in_another_form_of_unicode(folder: Path) -> None:
    composed, decomposed = (unicodedata.normalize(form, "_größe") for form in ("NFC", "NFD"))
    for path in list((folder / "semseg").glob("*/*.png")):
        path.rename(path.with_name(f"{path.stem}{composed}.png"))
    (folder / "taskscape.yaml").write_text(f"semseg: {{classes: [a, b, c], suffix: {decomposed}}}\n")
    assert first(Folder(), folder).values["semseg"].tolist() == [[0, 1, 2, 0, 1, 2]] * 4


def test_normals_of_nyuv2_in_bytes(tmp_path: Path) -> None:
    """Arrays are encoded like images."""
    _, normal = raw_files.nyuv2(tmp_path)
    coded = np.rint((np.tile(normal, (480, 640, 1)) + 1) * 127.5).astype(np.uint8)
    for number in range(1, 5):
        save(tmp_path / "normals" / f"{number:04d}.NPY", coded)
    sample = first(Nyuv2(), tmp_path)
    assert np.abs(sample.values["normals"] - normal).max() < 0.01
    save(tmp_path / "normals" / "0002.npy", coded.astype(np.int32))
    (tmp_path / "normals" / "0002.NPY").unlink()
    with pytest.raises(ValueError, match=r"0002.npy holds int32: save unit vectors as floats"):
        first(Nyuv2(), tmp_path)


# -- gray labels that were made smaller ----------------------------------------------------------------------------


def class_masks(raw: Path, folders: tuple[str, str], lists: str) -> None:
    for name in ("a", "b"):
        save(raw / folders[0] / f"{name}.png", np.zeros((6, 10, 3), np.uint8))
        save(raw / folders[1] / f"{name}.png", np.arange(60, dtype=np.uint8).reshape(6, 10) // 12)
    (raw / lists).mkdir(parents=True, exist_ok=True)
    for split, name in (("train", "a"), ("val", "b")):
        (raw / lists / f"{split}.txt").write_text(name)


def voc_layout(raw: Path) -> None:
    class_masks(raw, ("JPEGImages", "SegmentationClass"), "ImageSets/Segmentation")


def cvat_layout(raw: Path) -> None:
    voc_layout(raw)
    (raw / "labelmap.txt").write_text("".join(f"class {n}:{9 * n},{n},0::\n" for n in range(5)))


def camvid_layout(raw: Path) -> None:
    for split in ("train", "val"):
        save(raw / split / f"{split}.png", np.zeros((6, 10, 3), np.uint8))
        save(raw / f"{split}annot" / f"{split}.png", np.arange(60, dtype=np.uint8).reshape(6, 10) // 12)


@PARTIAL
@pytest.mark.parametrize(
    ("data", "make", "pattern"),
    [
        (CITYSCAPES, raw_files.cityscapes, "gtFine/*/*/*"),
        (Miniscapes(partial=True), raw_files.miniscapes, "*/semseg/*"),
        (Miniscapes(partial=True), raw_files.miniscapes, "*/depth/*"),
        (Voc(), voc_layout, "SegmentationClass/*"),
        (Cvat(), cvat_layout, "SegmentationClass/*"),
        (CamVid(partial=True), camvid_layout, "*annot/*"),
    ],
)
def test_gray_in_a_palette_of_any_order_keeps_its_numbers(
    tmp_path: Path, data: RawData, make: Callable[[Path], Any], pattern: str
) -> None:
    """As GIF and programs that make files smaller store it."""
    make(tmp_path)
    expected = first(data, tmp_path)
    for path in tmp_path.glob(pattern):
        with Image.open(path) as picture:
            gray = Image.fromarray(np.asarray(picture))
        gray.quantize().save(path)
    found = first(data, tmp_path)
    for name, values in expected.values.items():
        np.testing.assert_array_equal(found.values[name], values)


def test_colors_of_miniscapes_in_any_order(tmp_path: Path) -> None:
    raw_files.miniscapes(tmp_path)
    expected = first(Miniscapes(partial=True), tmp_path)
    for path in tmp_path.glob("*/semseg/*"):
        with Image.open(path) as picture:
            colors = picture.convert("RGB")
        colors.quantize(dither=Image.Dither.NONE).save(path)
    np.testing.assert_array_equal(first(Miniscapes(partial=True), tmp_path).values["semseg"], expected.values["semseg"])


def test_lossy_labels_of_published_sets_are_refused(tmp_path: Path) -> None:
    raw_files.miniscapes(tmp_path)
    for path in list(tmp_path.glob("*/depth/*")):
        with Image.open(path) as picture:
            picture.save(path.with_suffix(".jpg"))
        path.unlink()
    with pytest.raises(ValueError, match=r"000000\.jpg is in a lossy format, which changes labels"):
        first(Miniscapes(partial=True), tmp_path)
