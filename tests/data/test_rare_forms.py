"""Rare forms of images, labels, lists and exports: each is read correctly, or refused with file, field and remedy."""

import json
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import raw_files
from PIL import Image
from test_cases import ABC, COLORS, H, W, folder, ids, millimeters, png, refused, stored_image, targets, write
from test_cases import STORED_AS as TURNED
from test_images import tiff
from test_relatives import PHOTO, coco, cvat, quiet, said

from taskscape.cli import main
from taskscape.data import Store
from taskscape.data.prepare import prepare
from taskscape.data.readers import CamVid, Cityscapes, Coco, Cvat, Folder, Miniscapes, MtanArrays, Nyuv2, Voc
from taskscape.data.readers.images import likely_size_of, read_image, size_of
from taskscape.data.readers.samples import read_samples, stored_size


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return tmp_path / "raw"


# -- images ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
def test_tiffs_of_every_orientation(tmp_path: Path, orientation: int, channels: int, compression: str | None) -> None:
    """Pillow maps uncompressed files of 1 and 4 bytes per pixel, in the size of the upright image."""
    upright = np.linspace(0, 255, H * W * channels).reshape(H, W, channels).astype(np.uint8)
    stored = np.ascontiguousarray(TURNED[orientation](upright).squeeze())
    options = {"compression": compression} if compression else {}
    Image.fromarray(stored).save(tmp_path / "a.tif", tiffinfo={274: orientation}, **options)
    np.testing.assert_array_equal(read_samples(tmp_path / "a.tif").values, upright[..., :3].squeeze())
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif")[..., 0], upright[..., 0])
    assert (
        size_of(tmp_path / "a.tif") == likely_size_of(tmp_path / "a.tif") == stored_size(tmp_path / "a.tif") == (H, W)
    )


def exif_in_png(kind: str) -> bytes:
    """Return an upright photograph that is stored turned, with its orientation in a chunk that Pillow finds late."""
    exif = Image.Exif()
    exif[274] = 6
    data = exif.tobytes()
    turned = np.ascontiguousarray(TURNED[6](PHOTO))
    if kind == "after the pixels":
        content, end = png(turned, 8, 2), b"\0\0\0\0IEND"
        chunk = b"eXIf" + data[6:]
        start = content.index(end)
        length, check = struct.pack(">I", len(data) - 6), struct.pack(">I", zlib.crc32(chunk))
        return content[:start] + length + chunk + check + content[start:]
    text = b"\nexif\n%8d\n%s\n" % (len(data), data.hex().encode())
    return png(turned, 8, 2, (b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(text)))


@pytest.mark.parametrize("kind", ["after the pixels", "as text"])
def test_late_orientations_give_no_warning(raw: Path, kind: str) -> None:
    folder(raw, ABC, {"semseg.png": ids()}, images=lambda _: exif_in_png(kind))
    quiet(raw)
    np.testing.assert_array_equal(stored_image(raw), PHOTO)


def test_damaged_exif_data_are_not_warned_of(tmp_path: Path) -> None:
    Image.fromarray(PHOTO).save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert likely_size_of(tmp_path / "a.jpg") == read_image(tmp_path / "a.jpg").shape[:2] == (H, W)


@pytest.mark.parametrize("maximum", [2550, 4095, 65535])
def test_a_stated_range_counts_for_pgm_too(raw: Path, maximum: int) -> None:
    gray = PHOTO[..., 0]
    content = b"P5\n%d %d\n%d\n" % (W, H, maximum) + (gray.astype(np.uint16) * 10).astype(">u2").tobytes()
    folder(raw, f"{ABC}\nimage_range: 2550", {"semseg.png": ids()}, images=lambda _: content, ending=".pgm")
    np.testing.assert_allclose(stored_image(raw)[..., 1], gray, atol=1)


@pytest.mark.parametrize("name", ["a\nb", "a\tb", "a\x1b[31mb"])
def test_names_with_control_characters(raw: Path, name: str) -> None:
    folder(raw, ABC, {"semseg.png": ids()}, names=lambda number: f"{number} {name}")
    main(["prepare", "folder", str(raw), str(raw.with_name("store")), "--processes", "1"])
    main(["data", "show", str(raw.with_name("store"))])
    assert Store.open(raw.with_name("store"), "train").names == [f"0 {name}"]


# -- labels ------------------------------------------------------------------------------------------------------------


def test_the_largest_number_of_a_pgm_is_no_depth(raw: Path) -> None:
    depth = millimeters()
    depth[:4] = 65535
    content = b"P5\n%d %d\n65535\n" % (W, H) + depth.astype(">u2").tobytes()
    folder(raw, "depth: {unit: millimeter}", {"depth.pgm": content})
    valid = targets(raw)["depth"].valid[0]
    assert not valid[:4].any() and valid[4:].all()


@pytest.mark.parametrize("dtype", [np.float32, np.uint16])
def test_the_no_data_value_of_a_tiff_is_no_depth(raw: Path, dtype: type) -> None:
    depth = (millimeters() + 0.25).astype(dtype)
    depth[:4] = dtype(60000.1)
    picture = Image.fromarray(depth)
    folder(raw, "depth: {unit: unknown}")
    for number in range(2):
        write(raw / "depth" / f"{number}.tif", picture, tiffinfo={42113: str(float(depth[0, 0]))})
    found = targets(raw)["depth"]
    assert not found.valid[0, :4].any() and found.valid[0, 4:].all()
    np.testing.assert_allclose(np.median(found.value[0, 0][found.valid[0]]), 1, atol=1e-3)


def test_transparent_pixels_do_not_count_for_the_median(raw: Path) -> None:
    depth = np.full((H, W), 100, np.uint8)
    depth[: H // 2] = 200
    alpha = np.where(np.arange(H)[:, None] < 4, 0, 255).repeat(W, 1).astype(np.uint8)
    folder(raw, "depth: {unit: unknown}", {"depth.png": Image.fromarray(np.dstack([depth, alpha]))})
    found = targets(raw)["depth"]
    assert not found.valid[0, :4].any()
    assert np.median(found.value[0, 0][found.valid[0]]) == 1


def test_bits_that_mean_black_are_refused(raw: Path) -> None:
    bits = np.packbits(ids() == 1, axis=1).tobytes()
    folder(raw, "semseg: {classes: [rest, crack]}", {"semseg.pnm": b"P4\n%d %d\n" % (W, H) + bits})
    refused(raw, r"semseg/0\.pnm is a PBM, whose 0 is white.* save it as PNG")


def test_indices_that_count_despite_a_palette_are_said(raw: Path) -> None:
    label = Image.fromarray(ids())
    label.putpalette((COLORS // 2).tobytes())
    folder(raw, f"semseg: {{classes: [a, b, c], palette: {COLORS.tolist()}}}", {"semseg.png": label})
    said(raw, r"no color of the section's palette, but others such as \[127, 0, 0\], so the indices count as ids")
    np.testing.assert_array_equal(targets(raw)["semseg"].value[0], ids())
    label.putpalette(COLORS.tobytes())
    folder(raw, f"semseg: {{classes: [a, b, c], palette: {COLORS.tolist()}}}", {"semseg.png": label})
    quiet(raw)


def test_floats_of_64_bits_in_a_tiff_are_named(raw: Path) -> None:
    folder(raw, "depth: {unit: meter}", {"depth.tif": tiff(millimeters().astype("<f8")[None], compressed=False)})
    refused(raw, r"0\.tif is damaged or not an image \(it is .* unusual kind such as 64-bit numbers .* label as \.npy")


# -- descriptions and lists --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Taskscape.yaml", "taskscape.yaml.txt", "taskscape.yml"])
def test_descriptions_with_similar_names_are_named(raw: Path, name: str) -> None:
    folder(raw, ABC, {"semseg.png": ids()})
    (raw / "taskscape.yaml").rename(raw / name)
    refused(raw, rf"taskscape\.yaml is not there, but {name} is: rename it")


def test_a_description_with_many_names_is_too_large(raw: Path) -> None:
    names = ", ".join(f"'{number:06d}'" for number in range(9000))
    folder(raw, f"{ABC}\nsplits: {{train: [{names}], val: ['1']}}", {"semseg.png": ids()})
    refused(raw, r"taskscape\.yaml is larger than 65536 bytes: list images in text files")


@pytest.mark.parametrize("choice", ["null", "true", "{share: 0.9}"])
def test_a_split_that_is_nothing(raw: Path, choice: str) -> None:
    folder(raw, f"{ABC}\nsplits: {{train: 0.5, val: {choice}}}", {"semseg.png": ids()})
    refused(raw, r"taskscape\.yaml: splits: val is .*: give a share of the images such as 0\.1, their number")


def test_a_misspelled_setting_is_suggested(raw: Path) -> None:
    folder(raw, f"{ABC}\nsplit: {{train: 0.5, val: 0.5}}", {"semseg.png": ids()})
    refused(raw, r"split needs a type, .*did you mean splits\?")


def test_a_void_color_without_brackets(raw: Path) -> None:
    colors = np.vstack([COLORS, [[70, 130, 180]]]).astype(np.uint8)
    label = colors[np.where(np.arange(H)[:, None] < 4, 3, ids())]
    folder(
        raw, f"semseg: {{classes: [a, b, c], palette: {COLORS.tolist()}, void: [70, 130, 180]}}", {"semseg.png": label}
    )
    refused(raw, r"neither classes nor void.*; void names three ids: .*`void: \[\[70, 130, 180\]\]`")


@pytest.mark.parametrize(("name", "text"), [("train.csv", "image;label\n0.png;0.png"), ("train.txt", "0.png,0.png")])
def test_columns_are_separated_by_commas(raw: Path, name: str, text: str) -> None:
    folder(raw, f"{ABC}\nsplits: {{train: {name}, val: ['1']}}", {"semseg.png": ids()})
    (raw / name).write_text(text)
    refused(raw, r"separate columns with commas, in a file that ends in \.csv")


def test_csv_lists_with_old_line_ends(raw: Path) -> None:
    folder(raw, f"{ABC}\nsplits: {{train: train.csv, val: val.csv}}", {"semseg.png": ids()})
    (raw / "train.csv").write_bytes(b"file\r0.png\r")
    (raw / "val.csv").write_text("1.png\n")
    assert [one.name for one in Folder().contents(raw).splits["train"]] == ["0"]
    (raw / "train.csv").write_text('"' + 200_000 * "x")
    refused(raw, r"train\.csv is not a CSV file")


# -- COCO and CVAT -----------------------------------------------------------------------------------------------------


def first_ids(data: Coco | Cvat | Voc, raw: Path) -> np.ndarray:
    index = data.contents(raw)
    return index.read(index.splits["train"][0]).values["semseg"]


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("area", float("nan")),
        ("iscrowd", "0"),
        ("segmentation", [[[2, 2], [8, 2], [8, 8], [2, 8]]]),
        ("segmentation", [[2, 2], [8, 2], [8, 8], [2, 8], [2, 2]]),
    ],
)
def test_forms_of_annotations(raw: Path, change: str, value: object) -> None:
    """The square remains in front of a larger one, which comes later in the file."""
    coco(raw, change, value)
    path = raw / "annotations" / "instances_default.json"
    content = json.loads(path.read_text())
    large = {"image_id": 0, "category_id": 9, "area": 196, "segmentation": [[1, 1, 15, 1, 15, 15, 1, 15]]}
    content["annotations"].append(large)
    content["categories"].append({"id": 9, "name": "dog"})
    path.write_text(json.dumps(content))
    found = first_ids(Coco(), raw)
    assert (found == 1).sum() == 36 and (found == 2).sum() == 196 - 36


@pytest.mark.parametrize(
    ("change", "value", "message"),
    [
        ("category_id", 7.5, "category_id is 7.5, where a whole number belongs"),
        ("image_id", 0.5, "image_id is 0.5, where a whole number belongs"),
        ("segmentation", "2,2,8,2,8,8", "segmentation is '2,2,8,2,8,8': it must be polygons"),
        ("segmentation", [{"x": 2, "y": 2}], "a polygon is .*, which is not of the form"),
    ],
)
def test_annotations_that_are_none(raw: Path, change: str, value: object, message: str) -> None:
    coco(raw, change, value)
    with pytest.raises(ValueError, match=message):
        Coco().contents(raw)


@pytest.mark.parametrize(
    ("color", "expected"), [("#0a141e", (10, 20, 30)), (None, (128, 0, 0)), ([1] * 4, (128, 0, 0))]
)
def test_colors_of_categories(raw: Path, color: object, expected: tuple[int, ...]) -> None:
    coco(raw)
    path = raw / "annotations" / "instances_default.json"
    path.write_text(path.read_text().replace('"name": "cat"', f'"name": "cat", "color": {json.dumps(color)}'))
    assert Coco().contents(raw).fields["semseg"].classes.palette[1] == expected


@pytest.mark.parametrize("data", [Coco(), Cvat()])
def test_there_is_one_background_however_it_is_spelled(raw: Path, data: Coco | Cvat) -> None:
    if isinstance(data, Coco):
        coco(raw, "categories", {"id": 9, "name": "Background"})
    else:
        cvat(raw, '<box label="cat" xtl="1" ytl="1" xbr="5" ybr="5" z_order="1.0"/>')
        path = raw / "annotations.xml"
        path.write_text(path.read_text().replace("</labels>", "<label><name>Background</name></label></labels>"))
    assert data.contents(raw).fields["semseg"].classes.classes == ("Background", "cat")


def masks(raw: Path, names: tuple[str, str] = ("a", "b")) -> None:
    """Write images, masks and a list for Pascal VOC and Segmentation mask 1.1."""
    for name in names:
        write(raw / "JPEGImages" / f"{name}.png", PHOTO)
        write(raw / "SegmentationClass" / f"{name}.png", ids())
    (raw / "ImageSets" / "Segmentation").mkdir(parents=True)
    for split, name in zip(("train", "val"), names, strict=True):
        (raw / "ImageSets" / "Segmentation" / f"{split}.txt").write_text(f"{name}\n")


def test_no_background_however_it_is_spelled(raw: Path) -> None:
    masks(raw)
    (raw / "labelmap.txt").write_text("Background:0,0,0::\ncat:255,0,0::\ndog:0,255,0::\n")
    assert Cvat("void").contents(raw).fields["semseg"].classes.classes == ("cat", "dog")
    np.testing.assert_array_equal(first_ids(Cvat("void"), raw), np.where(ids() == 0, 255, ids() - 1))


@pytest.mark.parametrize("data", [Cvat(), Voc()])
def test_indices_never_stand_for_colors_of_which_one_is_unknown(raw: Path, data: Cvat | Voc) -> None:
    """Programs that compress palette files renumber their indices."""
    masks(raw)
    if isinstance(data, Cvat):
        (raw / "labelmap.txt").write_text("background:0,0,0::\ncat:0,128,0::\ndog:128,0,0::\n")
    picture = Image.fromarray(ids())
    for third in ((9, 9, 8), (0, 0, 0)):
        picture.putpalette(np.array([(128, 0, 0), (0, 128, 0), third], np.uint8).tobytes())
        for path in (raw / "SegmentationClass").iterdir():
            picture.save(path)
        if third == (9, 9, 8):
            with pytest.raises(ValueError, match=r"has colors of no class, such as \(9, 9, 8\)"):
                first_ids(data, raw)
    expected = np.array([2, 1, 0] if isinstance(data, Cvat) else [1, 2, 0])[ids()]
    np.testing.assert_array_equal(first_ids(data, raw), expected)
    picture.putpalette(
        np.array([(0, 0, 0), (0, 128, 0) if isinstance(data, Cvat) else (128, 0, 0), (9, 9, 8)], np.uint8).tobytes()
    )
    for path in (raw / "SegmentationClass").iterdir():
        picture.save(path)
    np.testing.assert_array_equal(first_ids(data, raw), ids())  # known colors are at the indices of their classes


def test_names_with_backslashes(raw: Path) -> None:
    coco(raw)
    path = raw / "annotations" / "instances_default.json"
    text = path.read_text()
    path.write_text(text.replace('"file_name": "', '"file_name": "images\\\\'))
    assert (first_ids(Coco(), raw) == 1).sum() == 36
    path.write_text(text.replace('"file_name": "', '"file_name": "..\\\\images\\\\'))
    with pytest.raises(ValueError, match="leads out of the folder: write it relative"):
        Coco().contents(raw)


def test_a_list_elsewhere_is_named(raw: Path) -> None:
    coco(raw)
    (raw / "annotations" / "instances_default.json").rename(raw / "result.json")
    with pytest.raises(FileNotFoundError, match=r"move result\.json to annotations/instances_default\.json if it is"):
        Coco().contents(raw)


def test_shapes_with_invalid_numbers_are_named(raw: Path) -> None:
    cvat(raw, '<mask label="cat" rle="" left="1" top="1" width="2" height="2"/>')
    with pytest.raises(ValueError, match=r"annotations\.xml, image 0\.png: a mask of cat has invalid numbers"):
        Cvat().contents(raw)


@pytest.mark.parametrize("names", [("an image", "b 1.x"), ("an.image", "an")])
def test_lists_of_voc_name_whole_lines(raw: Path, names: tuple[str, str]) -> None:
    masks(raw, names)
    assert [one.name for some in Voc().contents(raw).splits.values() for one in some] == list(names)
    (raw / "ImageSets" / "Segmentation" / "train.txt").write_text(f"{names[0]}.png 1\n")
    if " " not in names[0]:
        assert Voc().contents(raw).splits["train"][0].name == names[0]


def test_validation_images_are_not_taken_for_training(raw: Path) -> None:
    masks(raw)
    lists = raw / "ImageSets" / "Segmentation"
    (lists / "train.txt").rename(lists / "train_aug.txt")
    with pytest.raises(FileNotFoundError, match=r"has no train\.txt; it holds train_aug\.txt, val\.txt: name the list"):
        Voc().contents(raw)


def test_segments_that_are_missing_are_found_before_any_image_is_read(raw: Path) -> None:
    names, segments = ["0.png", "1.png"], [{"id": 1, "category_id": 7}]
    content = {
        "images": [{"id": n, "file_name": name, "height": H, "width": W} for n, name in enumerate(names)],
        "annotations": [{"image_id": n, "file_name": name, "segments_info": segments} for n, name in enumerate(names)],
        "categories": [{"id": 7, "name": "cat"}],
    }
    for name in names:
        write(raw / "images" / name, PHOTO)
    write(raw / "annotations" / "panoptic_default" / "0.png", np.full((H, W, 3), (1, 0, 0), np.uint8))
    (raw / "annotations" / "panoptic_default.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"image 1\.png: .*1\.png is not there: unpack panoptic_default next to"):
        Coco(kind="panoptic").contents(raw)


def test_an_albedo_just_above_one_is_told_exactly(raw: Path) -> None:
    folder(raw, "albedo: {}", {"albedo.npy": np.full((H, W, 3), 1.0000002, np.float32)})
    refused(raw, r"albedo/0\.npy holds 1\.00000024 … 1\.00000024 .*scale or clip it")


# -- published sets ----------------------------------------------------------------------------------------------------


def test_hidden_files_of_cityscapes(tmp_path: Path) -> None:
    raw_files.cityscapes(tmp_path, cameras=True)
    for path in [*tmp_path.glob("*/*/*/*.png"), *tmp_path.glob("*/*/*/*.json")]:
        path.with_name(f"._{path.name}").write_bytes(b"\0")
    contents = Cityscapes(size=(8, 16), partial=True).contents(tmp_path)
    assert {split: len(samples) for split, samples in contents.splits.items()} == {"train": 3, "val": 2}


def test_the_kind_of_file_that_is_missing_everywhere_is_named(tmp_path: Path) -> None:
    raw_files.cityscapes(tmp_path)
    for path in list(tmp_path.glob("gtFine/*/*/*")):
        path.rename(path.with_name(path.name.replace("labelIds", "labelTrainIds")))
    with pytest.raises(ValueError, match=r"\(3 leftImg8bit, 0 gtFine, 3 disparity\).*_gtFine_labelIds\.png"):
        Cityscapes(partial=True).contents(tmp_path)


def test_other_names_of_splits_are_not_left_out(tmp_path: Path) -> None:
    raw_files.miniscapes(tmp_path)
    (tmp_path / "val").rename(tmp_path / "valid")
    with pytest.raises(ValueError, match=r"valid is not used: name it val, or move it away"):
        Miniscapes(partial=True).contents(tmp_path)


@pytest.mark.parametrize(("kind", "dtype"), [("label", str), ("depth", complex), ("normal", np.int16)])
def test_arrays_of_mtan_are_numbers(tmp_path: Path, kind: str, dtype: type) -> None:
    raw_files.mtan(tmp_path, "nyuv2")
    for path in tmp_path.glob(f"*/{kind}/*.npy"):
        np.save(path, np.load(path).astype(dtype))
    with pytest.raises(ValueError, match=rf"train/{kind}/0\.npy holds"):
        prepare(MtanArrays("nyuv2", partial=True), tmp_path, tmp_path / "store", processes=1)


def test_an_image_that_splits_of_nyuv2_name_twice(tmp_path: Path) -> None:
    raw_files.nyuv2(tmp_path, train=(2, 2, 4))
    with pytest.raises(ValueError, match=r"splits\.mat names an image twice"):
        Nyuv2().contents(tmp_path)


def test_lists_of_camvid(tmp_path: Path) -> None:
    for split in ("train", "val"):
        write(tmp_path / split / f"{split}0.png", PHOTO)
        write(tmp_path / f"{split}annot" / f"{split}0.png", ids())
    (tmp_path / "train.txt").write_text("C:\\CamVid\\train\\train0.png C:\\CamVid\\trainannot\\train0.png\n")
    with pytest.raises(FileNotFoundError, match=r"lacks train\.txt or val\.txt"):
        CamVid(partial=True).contents(tmp_path)
    (tmp_path / "val.txt").write_text("val0.png")
    assert CamVid(partial=True).contents(tmp_path).splits["train"][0].name == "train0"
