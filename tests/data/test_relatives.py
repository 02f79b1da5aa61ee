"""Variants of the cases in ``test_cases``: other forms of the same mistakes, each handled, rejected or reported."""

import json
import shutil
import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_cases import ABC, COLORS, H, W, folder, ids, millimeters, png, refused, rolled_palette, targets, write

from taskscape.data.prepare import prepare
from taskscape.data.readers import Coco, Cvat, Folder, Voc
from taskscape.data.readers.images import SUFFIXES, read_image


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return tmp_path / "raw"


PHOTO = np.random.default_rng(0).integers(0, 256, (H, W, 3), np.uint8)


def said(raw: Path, message: str) -> None:
    with pytest.warns(UserWarning, match=message):
        Folder().contents(raw)


def quiet(raw: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Folder().contents(raw)


# -- images ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "ending"),
    [("1", "png"), ("L", "png"), ("LA", "png"), ("P", "png"), ("RGBA", "png"), ("CMYK", "tif"), ("YCbCr", "tif")],
)
def test_every_mode_is_read_as_rgb(tmp_path: Path, mode: str, ending: str) -> None:
    Image.fromarray(PHOTO).convert(mode).save(tmp_path / f"a.{ending}")
    found = read_image(tmp_path / f"a.{ending}")
    assert found.shape == (H, W, 3) and found.std() > 20


@pytest.mark.parametrize(("ending", "kind"), [("jfif", "JPEG"), ("jpe", "JPEG"), ("jp2", "JPEG2000"), ("pnm", "PPM")])
def test_other_endings_of_known_formats(raw: Path, ending: str, kind: str) -> None:
    folder(raw, ABC, {"semseg.png": ids()})
    for number in range(2):
        (raw / "images" / f"{number}.png").unlink()
        write(raw / "images" / f"{number}.{ending}", Image.fromarray(PHOTO), format=kind)
    assert f".{ending}" in SUFFIXES and targets(raw)["semseg"].valid.all()


@pytest.mark.parametrize("ending", ["gif", "tif", "png"])
def test_images_of_several_frames_are_said(raw: Path, ending: str) -> None:
    folder(raw, ABC, {"semseg.png": ids()})
    page = Image.fromarray(PHOTO)
    (raw / "images" / "1.png").unlink()
    write(raw / "images" / f"1.{ending}", page, save_all=True, append_images=[page.rotate(180)])
    said(raw, rf"1 of 2 image files holds several images, such as 1\.{ending}, and the first of each is used")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "it is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "Git LFS"),
        (b"<html><head>", "it is a web page"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "it is HEIC, .* save it as JPEG"),
    ],
)
def test_files_that_are_not_there_yet(raw: Path, content: bytes, what: str) -> None:
    folder(raw, ABC, {"semseg.png": ids()})
    (raw / "images" / "1.png").write_bytes(content)
    refused(raw, rf"images/1\.png is damaged or not an image \(.*{what}")


# -- labels ------------------------------------------------------------------------------------------------------------


def test_palettes_that_differ_are_said_where_none_is_given(raw: Path) -> None:
    folder(raw, ABC, {"semseg.png": rolled_palette})
    said(raw, "palettes of the files differ: the index 0 has several colors")
    folder(raw, ABC, {"semseg.png": rolled_palette(0)})
    quiet(raw)


@pytest.mark.parametrize("classes", ["[rest, crack]", "{0: rest, 1: crack}"])
@pytest.mark.parametrize("mode", ["L", "P", "RGB"])
def test_masks_of_0_and_255_are_doubted_in_every_form(raw: Path, classes: str, mode: str) -> None:
    masks = Image.fromarray(((ids() == 1) * 255).astype(np.uint8)).convert(mode)
    folder(raw, f"semseg: {{classes: {classes}}}", {"semseg.png": masks})
    said(raw, r"if it is crack, set `classes: \{0: rest, 255: crack\}`")


def test_smoothed_boundaries_are_doubted(raw: Path) -> None:
    lines = Image.fromarray(((ids() == 1) * 255).astype(np.uint8))
    smooth = lines.resize((W // 2, H // 2), Image.Resampling.BILINEAR).resize((W, H), Image.Resampling.BILINEAR)
    folder(raw, "boundaries: {}", {"boundaries.png": smooth})
    said(raw, r"a label has \d+ values, and all except 0 count as boundaries: if lines are smoothed")
    folder(raw, "boundaries: {}", {"boundaries.png": lines})
    quiet(raw)


def test_one_hot_and_smoothed_labels_have_their_own_remedy(raw: Path) -> None:
    for kind in (np.uint8, np.float32, np.int64):
        folder(raw, ABC, {"semseg.npy": np.eye(3, dtype=kind)[ids()]})
        refused(raw, r"is one-hot: save .* array\.argmax\(-1\)")
    (raw / "semseg" / "0.npy").unlink()
    (raw / "semseg" / "1.npy").unlink()
    smooth = Image.fromarray(COLORS[ids()]).resize((W // 2, H // 2), Image.Resampling.BILINEAR).resize((W, H))
    folder(raw, f"semseg: {{classes: [a, b, c], palette: {COLORS.tolist()}}}", {"semseg.png": smooth})
    refused(raw, "more values than there are classes: export it without smoothing")


@pytest.mark.parametrize("clear", [0, 1])
def test_transparent_pixels_of_one_bit_have_no_label(raw: Path, clear: int) -> None:
    mask = (ids() == 1).astype(np.uint8)
    folder(raw, "semseg: {classes: [a, b]}", {"semseg.png": png(mask, 1, 0, (b"tRNS", struct.pack(">H", clear)))})
    value, valid = targets(raw)["semseg"]
    assert np.array_equal(valid[0].numpy(), mask != clear) and (value[valid] == 1 - clear).all()


@pytest.mark.parametrize("classes", [3, 5])
def test_scores_with_the_channels_first(raw: Path, classes: int) -> None:
    folder(raw, ABC, {"semseg.npy": np.zeros((classes, H, W), np.float32)})
    refused(raw, "channels first")


@pytest.mark.parametrize(
    ("height", "width", "fits"),
    [(H + 1, W, True), (H, W - 1, True), (H // 2, W // 2, True), (H // 2, W // 2 + 1, True), (1, 1, False),
     (H // 4, W // 4 + 3, False), (H, H, False), (W, H, False), (H, W - 4, False)],
)  # fmt: skip
def test_sizes_that_rounding_explains(raw: Path, height: int, width: int, fits: bool) -> None:
    folder(raw, ABC, {"semseg.png": Image.fromarray(ids()).resize((width, height), Image.Resampling.NEAREST)})
    if fits:
        assert targets(raw)["semseg"].valid.all()
    else:
        refused(raw, rf"is {height}x{width}, and its image {H}x{W}")


def test_depth_beyond_floats_has_no_value(raw: Path) -> None:
    depth = millimeters() / 1000
    depth[0] = 1e300
    folder(raw, "depth: {unit: meter}", {"depth.npy": depth})
    found = targets(raw)["depth"]
    assert not found.valid[0, 0].any() and found.valid[0, 1:].all() and found.value.isfinite().all()


def test_albedo_out_of_range_names_the_file(raw: Path) -> None:
    folder(raw, "albedo: {}", {"albedo.npy": PHOTO.astype(np.float32)})
    refused(raw, r"albedo/0\.npy holds 0 … 255 where reflectance in 0 … 1 belongs")


# -- names, splits and the description ---------------------------------------------------------------------------------


def test_images_in_no_split_are_said(raw: Path) -> None:
    folder(raw, f"{ABC}\nsplits: {{train: 2, val: 1}}", {"semseg.png": ids()}, count=5)
    said(raw, "2 of 5 images are in no split, such as 3")


@pytest.mark.parametrize(
    ("names", "remedy"),
    [
        (["train/a", "test/b"], r"\{train: train, val: test\}"),
        (["train/a", "holdout/b", "test/c"], r"\{train: train, val: holdout\}"),
        (["Train/a", "train/b", "val/c"], r"\{train: train, val: val\}"),
    ],
)
def test_splits_are_suggested_from_the_folders(raw: Path, names: list[str], remedy: str) -> None:
    folder(raw, ABC, {"semseg.png": ids()}, count=len(names), names=names.__getitem__)
    (raw / "taskscape.yaml").write_text(ABC)
    refused(raw, f"splits: {remedy}")


def test_a_single_subfolder_is_divided_by_shares(raw: Path) -> None:
    """A share next to the folder would take the same images again."""
    folder(raw, ABC, {"semseg.png": ids()}, names="train/{}".format)
    (raw / "taskscape.yaml").write_text(ABC)
    refused(raw, "none is val: give shares of all images, `splits: {train: 0.9, val: 0.1}`")


@pytest.mark.parametrize(
    ("train", "val", "message"),
    [("0", "", r"val\.txt lists no image"), ("0\n1", "1", "1 is in train and in val"), ("0", "7", "such as 7")],
)
def test_lists_that_do_not_do(raw: Path, train: str, val: str, message: str) -> None:
    folder(raw, f"{ABC}\nsplits: {{train: train.txt, val: val.txt}}", {"semseg.png": ids()})
    (raw / "train.txt").write_text(train)
    (raw / "val.txt").write_text(val)
    refused(raw, message)


def test_names_that_nearly_fit_are_suggested(raw: Path) -> None:
    folder(raw, ABC, {"semseg.png": ids()}, names="A{}".format)
    for number in range(2):
        (raw / "semseg" / f"A{number}.png").rename(raw / "semseg" / f"a{number}.png")
    refused(raw, "the image is A0, which differs in upper and lower case")
    folder(other := raw.with_name("other") / "raw", ABC, {"semseg.png": ids()}, names=["train/a", "val/b"].__getitem__)
    for name in ("train/a", "val/b"):
        (other / "semseg" / f"{name}.png").rename(other / "semseg" / f"{name[-1]}.png")
    refused(other, "if its image is train/a, put the labels into the same subfolders")


def test_links_to_nothing_and_to_folders_above(raw: Path) -> None:
    folder(raw, ABC, {"semseg.png": ids()})
    (raw / "images" / "9.png").symlink_to("nowhere.png")
    (raw / "images" / "up").symlink_to("..")
    said(raw, r"1 file is not used, such as 9\.png: links to files that do not exist")


def test_two_links_to_one_folder_are_two_folders(raw: Path) -> None:
    folder(raw, ABC, {"semseg.png": ids()})
    for kind in ("images", "semseg"):
        (raw / kind).rename(raw / f"all_{kind}")
        (raw / kind).mkdir()
        for split in ("a", "b"):
            (raw / kind / split).symlink_to(f"../all_{kind}")
    (raw / "all_semseg" / "up").symlink_to("..")
    refused(raw, "b/0 of val is the same file as a/0 of train: leave one out")
    (raw / "images" / "b").unlink()
    shutil.copytree(raw / "all_images", raw / "images" / "b")
    index = Folder().contents(raw)
    assert [one.name for some in index.splits.values() for one in some] == ["a/0", "a/1", "b/0", "b/1"]
    assert all("semseg" in one.files for some in index.splits.values() for one in some)


def test_gray_colors_of_a_palette_and_black_for_none(raw: Path) -> None:
    gray = ((ids() + 1) * 50).astype(np.uint8)
    gray[:4] = 0
    folder(raw, f"semseg: {{classes: [a, b, c], palette: {[[50 * n] * 3 for n in (1, 2, 3)]}}}", {"semseg.png": gray})
    value, valid = targets(raw)["semseg"]
    assert np.array_equal(valid[0].numpy(), gray > 0) and np.array_equal(value[valid].numpy(), ids()[gray > 0])


def test_a_section_without_keys_is_a_section(raw: Path) -> None:
    folder(
        raw, "edges: {type: boundaries, folder: semseg}\nboundaries:", {"semseg.png": ids(), "boundaries.png": ids()}
    )
    assert list(targets(raw)) == ["edges", "boundaries"]
    (raw / "taskscape.yaml").write_text(f"{ABC}\nparts:")
    with pytest.raises(ValueError, match="parts needs a type"):
        Folder().contents(raw)


@pytest.mark.parametrize("size", [(0, 5), (100_000, 100_000)])
def test_sizes_that_no_image_has(raw: Path, size: tuple[int, int]) -> None:
    folder(raw, ABC, {"semseg.png": ids()})
    with pytest.raises(ValueError, match=f"size is {size[0]}x{size[1]}"):
        prepare(Folder(size=size), raw, raw.with_name("store"), processes=1)


def test_classes_in_a_file_are_to_be_written_out(raw: Path) -> None:
    folder(raw, "semseg: {classes: classes.txt}", {"semseg.png": ids()})
    refused(raw, r"classes is classes\.txt: write the names here")


def test_other_mistakes_of_paths(raw: Path, tmp_path: Path) -> None:
    folder(raw, ABC, {"semseg.png": ids()})
    (tmp_path / "file").touch()
    for out, shard, message in (("file", None, "is a file: name a folder"), ("store", 0, "shard is 0")):
        with pytest.raises(ValueError, match=message):
            prepare(Folder(), raw, tmp_path / out, shard, processes=1)
    (raw / "taskscape.yaml").rename(raw / "taskscape.yml")
    refused(raw, r"taskscape\.yml is: rename it")


def test_a_store_that_was_begun_with_fewer_images_is_begun_again(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder(raw, ABC, {"semseg.png": ids()})
    with monkeypatch.context() as patch:
        patch.setattr("taskscape.data.writer.StoreWriter.finish", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            prepare(Folder(), raw, raw.with_name("store"), processes=1)
    folder(raw, ABC, {"semseg.png": ids()}, count=4)
    sentences: list[str] = []
    manifest = prepare(Folder(), raw, raw.with_name("store"), processes=1, tell=sentences.append)
    assert manifest.counts == {"train": 2, "val": 2} and "starting over" in sentences[0]
    with pytest.raises(ValueError, match="with other settings"):
        prepare(Folder(size=(H // 2, W // 2)), raw, raw.with_name("store"), processes=1)


# -- exports -----------------------------------------------------------------------------------------------------------


def coco(raw: Path, change: str = "", value: object = None) -> None:
    """Write a list of two images, with a rectangular polygon each; change the first annotation, or the whole list."""
    (raw / "annotations").mkdir(parents=True)
    images = [{"id": n, "file_name": f"{n}.png", "height": H, "width": W} for n in range(2)]
    for n in range(2):
        write(raw / "images" / f"{n}.png", PHOTO)
    square = [[2, 2, 8, 2, 8, 8, 2, 8]]
    annotations = [{"id": n, "image_id": n, "category_id": 7, "segmentation": square} for n in range(2)]
    content = {"images": images, "annotations": annotations, "categories": [{"id": 7, "name": "cat"}]}
    if change in content:
        content[change] = [*content[change], value]
    elif change:
        annotations[0][change] = value
    (raw / "annotations" / "instances_default.json").write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("change", "value", "message"),
    [
        ("categories", {"id": 7, "name": "dog"}, "two categories have the id 7"),
        ("images", {"id": 0, "file_name": "1.png", "height": H, "width": W}, "two images have the id 0"),
        ("image_id", 99, "belongs to image 99, which is not listed"),
        ("category_id", 99, "has category 99, which is not listed"),
        ("category_id", "cat", "category_id is 'cat', where a whole number belongs"),
        ("images", {"id": "a", "file_name": "1.png", "height": H, "width": W}, "id is 'a', where a whole number"),
    ],
)
def test_coco_that_contradicts_itself(raw: Path, change: str, value: object, message: str) -> None:
    coco(raw, change, value)
    with pytest.raises(ValueError, match=message):
        Coco().contents(raw)


def test_coco_with_images_that_differ_in_their_endings(raw: Path) -> None:
    coco(raw)
    path = raw / "annotations" / "instances_default.json"
    content = json.loads(path.read_text())
    content["images"].insert(0, {"id": 2, "file_name": "0.jpg", "height": H, "width": W})
    path.write_text(json.dumps(content))
    write(raw / "images" / "0.jpg", PHOTO)
    with pytest.raises(ValueError, match=r"0\.jpg and 0\.png have the same name without their endings: rename one"):
        Coco().contents(raw)


def test_coco_with_boxes_only_for_some_says_so(raw: Path) -> None:
    coco(raw, "segmentation", [])
    with pytest.warns(UserWarning, match="1 of 2 annotations has no segmentation"):
        Coco().contents(raw)


def test_coco_with_a_polygon_that_is_no_list_of_polygons(raw: Path) -> None:
    coco(raw, "segmentation", [2, 2, 8, 2, 8, 8, 2, 8])
    index = Coco().contents(raw)
    for some in index.splits.values():
        assert (index.read(some[0]).values["semseg"] == 1).sum() == 36


def test_an_image_that_is_said_to_be_endless_is_refused(raw: Path) -> None:
    coco(raw)
    path = raw / "annotations" / "instances_default.json"
    path.write_text(path.read_text().replace(f'"height": {H}, "width": {W}', '"height": 1000000, "width": 1000000'))
    with pytest.raises(ValueError, match=r"0.png has .* pixels, and its annotation 1000000x1000000"):
        prepare(Coco(), raw, raw.with_name("store"), processes=1)


def cvat(raw: Path, shape: str) -> None:
    write(raw / "images" / "0.png", PHOTO)
    write(raw / "images" / "1.png", PHOTO)
    images = "".join(f'<image id="{n}" name="{n}.png" width="{W}" height="{H}">{shape}</image>' for n in range(2))
    labels = "<label><name>cat</name><color>#ff0000</color></label>"
    text = f"<annotations><meta><job><labels>{labels}</labels></job></meta>{images}</annotations>"
    (raw / "annotations.xml").write_text(text)


@pytest.mark.parametrize(
    "shape",
    [
        '<box label="cat" xtl="10" ytl="4" xbr="20" ybr="8" rotation="90"/>',
        '<box label="cat" xtl="13" ytl="1" xbr="17" ybr="11" rotation="0"/>',
    ],
)
def test_rotated_boxes_of_cvat(raw: Path, shape: str) -> None:
    cvat(raw, shape)
    index = Cvat().contents(raw)
    painted = index.read(index.splits["train"][0]).values["semseg"] == 1
    assert painted[1:11, 13:17].all() and painted.sum() == 40


def test_cvat_without_areas_is_refused_and_lines_are_said(raw: Path) -> None:
    line = '<polyline label="cat" points="1,1;5,5"/>'
    cvat(raw, line)
    with pytest.raises(ValueError, match="has no polygon, box, ellipse, mask"):
        Cvat().contents(raw)
    cvat(raw, line + '<box label="cat" xtl="1" ytl="1" xbr="5" ybr="5"/>')
    with pytest.warns(UserWarning, match="shapes without an area are left out: 2 polyline"):
        Cvat().contents(raw)


def test_lists_of_voc_in_other_forms(raw: Path) -> None:
    for name in ("a", "b"):
        write(raw / "JPEGImages" / f"{name}.jpg", Image.fromarray(PHOTO))
        write(raw / "SegmentationClass" / f"{name}.png", ids())
    lists = raw / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_bytes("a.jpg\r\n".encode("utf-16"))
    (lists / "val.txt").write_text("b\n")
    assert [one.name for one in Voc().contents(raw).splits["train"]] == ["a"]
    (lists / "val.txt").write_bytes("é\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"val\.txt is not UTF-8 text"):
        Voc().contents(raw)


def test_labels_of_cvat_may_have_colons(raw: Path) -> None:
    for name in ("a", "b"):
        write(raw / "JPEGImages" / f"{name}.png", PHOTO)
        write(raw / "SegmentationClass" / f"{name}.png", COLORS[ids()])
    (raw / "ImageSets" / "Segmentation").mkdir(parents=True)
    (raw / "ImageSets" / "Segmentation" / "default.txt").write_text("a\nb\n")
    (raw / "labelmap.txt").write_text("cat: big:255,0,0::\ndog:0,255,0\nsky:0,0,255::\n")
    assert Cvat(background="void").contents(raw).fields["semseg"].classes.classes == ("cat: big", "dog", "sky")


def test_depth_in_integers_and_floats_is_doubted(raw: Path) -> None:
    """Arrays are usually in meters, images in millimeters, and a section has one unit."""
    folder(raw, "depth: {unit: millimeter}", {"depth.png": millimeters()}, count=12)
    (raw / "depth" / "11.png").unlink()
    write(raw / "depth" / "11.npy", millimeters().astype(np.float32) / 1000)
    with pytest.warns(UserWarning, match="depth: the files hold integers of more than 8 bits and floating-point num"):
        Folder().contents(raw)
