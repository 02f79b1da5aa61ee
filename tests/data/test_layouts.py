"""Folders as different users have them: layouts, lists of splits, names that nearly fit, hints at the cause."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_cases import ABC, COLORS, PALETTE, H, W, describe, folder, ids, millimeters, refused, targets, write

from taskscape.data.check import check
from taskscape.data.prepare import prepare
from taskscape.data.readers import Folder
from taskscape.data.readers.class_masks import read_class_mask
from taskscape.data.readers.voc import VOC_21

PHOTO = np.random.default_rng(0).integers(0, 256, (H, W, 3), np.uint8)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return tmp_path / "raw"


def names_of(raw: Path) -> dict[str, list[str]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        splits = Folder().contents(raw).splits
    return {split: [sample.name for sample in samples] for split, samples in splits.items()}


def scenes(raw: Path, names: list[str], unlabeled: str = "") -> None:
    for name in names:
        for number in range(2):
            write(raw / name / "rgb" / f"{number}.png", PHOTO)
            if name != unlabeled:
                write(raw / name / "labels" / f"{number}.png", ids())
    (raw / "taskscape.yaml").write_text("images: rgb\nsemseg: {classes: [a, b, c], folder: labels}\n")


# -- layouts -----------------------------------------------------------------------------------------------------------


def test_each_scene_may_have_a_folder(raw: Path) -> None:
    scenes(raw, ["street/1", "street/2", "yard"], unlabeled="yard")
    refused(raw, r"splits: \{train: street, val: yard\}")
    text = (raw / "taskscape.yaml").read_text()
    (raw / "taskscape.yaml").write_text(text + "splits: {train: [street/1, yard], val: street/2}")
    assert names_of(raw) == {
        "train": ["street/1/0", "street/1/1", "yard/0", "yard/1"],
        "val": ["street/2/0", "street/2/1"],
    }
    with pytest.warns(UserWarning, match="train: 2 of 4 images have no semseg label, such as yard/0"):
        prepare(Folder(), raw, raw.with_name("store"), processes=1)


def test_scenes_may_be_in_splits(raw: Path) -> None:
    scenes(raw, ["train/1", "train/2", "valid/3"])
    assert {split: len(names) for split, names in names_of(raw).items()} == {"train": 4, "val": 2}


def test_one_folder_further_down_is_suggested(raw: Path) -> None:
    scenes(raw / "unpacked", ["."])
    (raw / "unpacked" / "taskscape.yaml").rename(raw / "taskscape.yaml")
    refused(raw, "unpacked holds them: give that folder")


def test_a_split_is_suggested_for_every_scene(raw: Path) -> None:
    scenes(raw, ["a", "b", "c"])
    refused(raw, r"splits: \{train: \[a, b\], val: c\}")


def test_images_with_a_suffix_beside_labels_without(raw: Path) -> None:
    for number in range(4):
        write(raw / "data" / f"{number}_rgb.png", PHOTO)
        write(raw / "data" / f"{number}.png", ids())
    (raw / "taskscape.yaml").write_text(
        "images: data\nsuffix: _rgb\nsplits: {train: 3, val: 1}\nsemseg: {classes: [a, b, c], folder: data}"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(Folder().contents(raw).splits["train"]) == 3


def test_labels_in_the_folder_of_images_need_a_suffix(raw: Path) -> None:
    folder(raw, "semseg: {classes: [a, b, c], folder: images}")
    refused(raw, "semseg has the folder of the images, images, and no suffix of its own: set `suffix: _mask`")
    write(raw / "images" / "0.jpg", Image.fromarray(PHOTO))
    write(raw / "semseg" / "0.png", ids())
    (raw / "taskscape.yaml").write_text(ABC)
    refused(raw, "have the same name: keep only one of them, or if one is a label, move the labels")


def test_labels_among_the_images_are_recognized(raw: Path) -> None:
    folder(raw, f"{ABC}\nsplits: {{train: 8, val: 4}}", {"semseg.png": ids()}, count=6)
    for number in range(6):
        write(raw / "images" / f"{number}_mask.png", ids())
    with pytest.warns(UserWarning, match="no semseg label, such as 0_mask: if the files with _mask are labels, move"):
        Folder().contents(raw)
    describe(raw, ABC)  # shares, with the masks in train
    refused(raw, "no image of train has a label .*: if the files with _mask are labels, move them out")


# -- lists of splits ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ending", "text"),
    [
        ("csv", "image,label\nimages/0_rgb.png,semseg/0.png\nimages/1_rgb.png,semseg/1.png\n"),
        ("csv", '"0",\n"1",\n'),
        ("csv", "\ufeff/data/0_rgb.png\r\n/data/1_rgb.png\r\n"),
        ("json", json.dumps(["0", "images/1_rgb.png"], indent=1)),
        ("txt", "0_rgb.png\n1_rgb\n"),
        ("txt", "C:\\set\\images\\0_rgb.png  # first\r\n1\r\n"),
    ],
)
def test_forms_of_lists(raw: Path, ending: str, text: str) -> None:
    folder(raw, "", {"semseg.png": ids()}, count=4)
    for number in range(4):
        (raw / "images" / f"{number}.png").rename(raw / "images" / f"{number}_rgb.png")
    (raw / f"train.{ending}").write_bytes(text.encode())
    (raw / "taskscape.yaml").write_text(
        f"suffix: _rgb\nsplits: {{train: train.{ending}, val: ['3', '2']}}\nsemseg: {{classes: [a, b, c]}}"
    )
    assert names_of(raw) == {"train": ["0", "1"], "val": ["3", "2"]}


def test_names_that_begin_like_comments(raw: Path) -> None:
    folder(raw, f"{ABC}\nsplits: {{train: train.txt, val: val.csv}}", {"semseg.png": ids()}, count=4)
    for name in ("images", "semseg"):
        (raw / name / "3.png").rename(raw / name / "#3.png")
    (raw / "train.txt").write_text("# the first\n#1.png\n# images/1.png\n#images/1.png\n0.png\n#\n")
    (raw / "val.csv").write_text("#3.png\n#2.png\n")
    assert names_of(raw) == {"train": ["0"], "val": ["#3"]}


def test_splits_name_images_with_their_folder(raw: Path) -> None:
    folder(
        raw, f"{ABC}\nsplits: {{train: [images/0.png, images/1], val: images/2.png}}", {"semseg.png": ids()}, count=4
    )
    assert names_of(raw) == {"train": ["0", "1"], "val": ["2"]}
    for number in range(4):
        for name in ("images", "semseg"):
            (raw / name / "ab"[number % 2]).mkdir(exist_ok=True)
            (raw / name / f"{number}.png").rename(raw / name / "ab"[number % 2] / f"{number}.png")
    describe(raw, f"{ABC}\nsplits: {{train: [images/a], val: images/b/}}")
    assert names_of(raw) == {"train": ["a/0", "a/2"], "val": ["b/1", "b/3"]}


@pytest.mark.parametrize(
    ("splits", "content", "message"),
    [
        ("{train: train.json, val: ['1']}", '{"train": ["0"]}', r"train\.json is not a list of names, such as"),
        (
            "{train: train.csv, val: ['1']}",
            "image\n7\n",
            r"train\.csv lists 2 images that are not there, such as image",
        ),
        ("{train: train.csv, val: ['1']}", "yard\n0\n", r"train\.csv lists 1 image that is not there, such as yard"),
        ("{train: ['0'], val: ['7']}", "", "'7' is neither a text file next to it nor a subfolder"),
        ("{train: ['0', '1'], val: ['1']}", "", "1 is in train and in val: list each image once"),
    ],
)
def test_lists_that_do_not_do(raw: Path, splits: str, content: str, message: str) -> None:
    folder(raw, f"{ABC}\nsplits: {splits}", {"semseg.png": ids()})
    for ending in ("csv", "json"):
        (raw / f"train.{ending}").write_text(content)
    refused(raw, message)


# -- names that nearly fit ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "label"),
    [("{:04d}", "{}"), ("rgb_{:02d}", "depth_{:02d}"), ("1305031102.{}75304", "1305031102.{}60407")],
)
def test_numbers_and_times_are_names(raw: Path, image: str, label: str) -> None:
    folder(raw, "depth: {unit: mm}", {"depth.png": millimeters()}, count=4)
    for number in range(4):
        (raw / "images" / f"{number}.png").rename(raw / "images" / f"{image.format(number)}.png")
        (raw / "depth" / f"{number}.png").rename(raw / "depth" / f"{label.format(number)}.png")
    refused(raw, "4 files of depth/ without an image in images/, .* names are compared as text, not as numbers")


@pytest.mark.parametrize(
    ("yaml", "remedy"),
    [
        (ABC, "set `suffix: _leftImg8bit` for the images, and `suffix: _labelIds` in the section semseg"),
        (
            "semseg: {classes: [a, b, c], suffix: _labelIds}",
            "set `suffix: _leftImg8bit` for the images, if these end the names",
        ),
    ],
)
def test_suffixes_of_both_are_suggested(raw: Path, yaml: str, remedy: str) -> None:
    folder(raw, yaml, {"semseg.png": ids()}, count=4)
    for number in range(4):
        (raw / "images" / f"{number}.png").rename(raw / "images" / f"a_{number}_leftImg8bit.png")
        (raw / "semseg" / f"{number}.png").rename(raw / "semseg" / f"a_{number}_labelIds.png")
    refused(raw, remedy)


def test_a_list_that_repeats_a_class_is_doubted(raw: Path) -> None:
    folder(raw, "semseg: {classes: [a, b, a]}", {"semseg.png": ids()}, count=4)
    with pytest.warns(UserWarning, match="the list of classes names a 2 times, so the ids 0 and 2 are one class"):
        Folder().contents(raw)


def test_labels_of_images_that_are_not_read(raw: Path) -> None:
    folder(raw, ABC, {"semseg.png": ids()}, count=4)
    (raw / "images" / "3.png").rename(raw / "images" / "3.HEIC")
    refused(raw, r"without an image in images/, such as 3: .*3\.HEIC: \.heic is not read")


# -- hints at the cause ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("yaml", "label", "message"),
    [
        ("semseg: {classes: {1: a, 2: b, 3: c}}", ids().astype(np.uint16) * 1000 + 1000, r"save value // 1000"),
        (ABC, ids() + np.uint8(1), "if ids count from 1, and 0 is no class"),
        (ABC, np.dstack([ids(), 0 * ids(), 0 * ids()]), "holds numbers in the red channel only"),
        (
            "semseg: {classes: [a, b], palette: [[255, 0, 0], [0, 255, 9]]}",
            np.array([[0, 0, 255], [9, 255, 0]], np.uint8)[ids() % 2],
            "the colors of classes with red and blue exchanged: save the files again as RGB",
        ),
        ("semseg: {classes: [a, b, c], void: c}", ids(), r"void is 'c': give ids or colors without a class, such as"),
        ("semseg: {classes: [{name: a, id: 0}]}", ids(), r"is not a name: give names, as \[road, sky\] from 0"),
    ],
)
def test_likely_causes_of_unknown_classes_are_named(raw: Path, yaml: str, label: np.ndarray, message: str) -> None:
    folder(raw, yaml, {"semseg.png": label})
    refused(raw, message)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_exchanged_colors_of_voc_are_named(tmp_path: Path) -> None:
    """The contours of objects give them away, even where every color is that of another class."""
    mask = np.array([(0, 0, 0), (0, 0, 128), (192, 224, 224)], np.uint8)[ids()]
    write(tmp_path / "mask.png", mask)
    colors = {color: id_ for id_, color in enumerate(VOC_21.palette)} | {(224, 224, 192): 255}
    with pytest.raises(ValueError, match=r"no class, such as .*192, 224, 224.*: correct .* red and blue exchanged"):
        read_class_mask(tmp_path / "mask.png", colors, {})


@pytest.mark.parametrize(("used", "missing"), [([0, 2], "b"), ([0, 1], "c"), ([1, 2], "a")])
def test_colors_that_may_be_exchanged_are_asked_for(raw: Path, used: list[int], missing: str) -> None:
    """Red and blue are both in the palette; green stays the same."""
    folder(raw, f"semseg: {{{PALETTE}}}", {"semseg.png": COLORS[used][ids() % 2]}, count=4)
    prepare(Folder(), raw, raw.with_name("store"), processes=1)
    (warning,) = (text for text in check(raw.with_name("store")).warnings if "right class set" in text)
    assert f"no pixel of train and val is {missing}: is it the right class set" in warning
    assert ("are red and blue exchanged in the files?" in warning) == (missing != "b")


@pytest.mark.parametrize(
    ("clear", "is_doubted"), [(lambda ids: ids == 0, True), (lambda ids: np.arange(W) < ids + 9, False)]
)
def test_a_class_that_is_transparent_everywhere_is_doubted(
    raw: Path, clear: Callable[[np.ndarray], np.ndarray], is_doubted: bool
) -> None:
    alpha = np.where(clear(ids()), 0, 255).astype(np.uint8)
    folder(raw, ABC, {"semseg.png": np.dstack([ids(), alpha])}, count=4)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Folder().contents(raw)
    said = [str(warning.message) for warning in caught]
    assert ["every pixel of a is transparent" in text for text in said] == [True] * is_doubted


@pytest.mark.parametrize(
    ("values", "is_doubted"),
    [
        ((40 * millimeters().astype(np.int64)).astype(np.int16), True),
        (np.log(millimeters() / 4000).astype(np.float32), True),
        (np.where(millimeters() < 3000, -1, millimeters()).astype(np.float32), False),
    ],
)
def test_negative_depth_is_doubted(raw: Path, values: np.ndarray, is_doubted: bool) -> None:
    folder(raw, "depth: {unit: mm}", {"depth.npy": values}, count=4)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Folder().contents(raw)
    assert ["hold negative numbers" in str(warning.message) for warning in caught] == [True] * is_doubted


def test_copies_of_an_image_in_two_splits_are_said(raw: Path) -> None:
    folder(raw, f"{ABC}\nsplits: {{train: 4, val: 2}}", {"semseg.png": ids()}, count=6)
    (raw / "images" / "5.png").write_bytes((raw / "images" / "1.png").read_bytes())
    with pytest.warns(UserWarning, match="1 image is in two splits as copies of one file, such as train/1 = val/5: "):
        prepare(Folder(), raw, raw.with_name("store"), processes=1)


def test_labels_that_may_be_cropped_are_said(raw: Path) -> None:
    folder(raw, ABC, {"semseg.png": lambda number: ids() if number else ids()[1:-1, 2:-2]}, count=4)
    with pytest.warns(UserWarning, match=r"1 semseg label of another size .* 0\.png with 14x28 for 16x32, is scaled"):
        Folder().contents(raw)


@pytest.mark.parametrize("kind", ["gray", "one bit", "RGB"])
def test_white_is_a_class_if_the_palette_has_it(raw: Path, kind: str) -> None:
    """The gray 255 of such a file is that color, and not void by default."""
    mask = ids() == 1
    forms = {"gray": mask * np.uint8(255), "one bit": mask, "RGB": np.repeat(mask[..., None], 3, 2) * np.uint8(255)}
    folder(raw, "semseg: {classes: [a, b], palette: [[0, 0, 0], [255, 255, 255]]}", {"semseg.png": forms[kind]})
    assert [values.valid.all() for values in targets(raw).values()] == [True]
    assert np.array_equal(targets(raw)["semseg"].value[0], mask)


def one_bit(mask: np.ndarray) -> Image.Image:
    """Return a mask of one bit with a palette of black and white."""
    image = Image.fromarray(mask.astype(np.uint8)).convert("P")
    image.putpalette([0, 0, 0, 255, 255, 255])
    return image


def test_black_and_white_of_a_palette_are_ids_if_its_indices_are_not(raw: Path) -> None:
    folder(
        raw, "semseg: {classes: {0: rest, 255: crack}}\nstored: {type: semseg, classes: [rest, crack], folder: semseg}",
        {"semseg.png": one_bit(ids() == 1)},
    )  # fmt: skip
    for target in targets(raw).values():
        np.testing.assert_array_equal(target.value[0], ids() == 1)


@pytest.mark.parametrize(
    ("mask", "remedy"),
    [
        (ids() == 1, "ids of classes: leave the palette out$"),
        (
            ids() < 9,
            r"ids of classes: name the color in void \(such as \[255, 255, 255\]\) or in the palette, or leave",
        ),
    ],
)
def test_the_remedy_for_black_and_white_masks_works(raw: Path, mask: np.ndarray, remedy: str) -> None:
    folder(raw, "semseg: {classes: [a, b], palette: [[255, 0, 0], [0, 255, 0]]}", {"semseg.png": one_bit(mask)})
    refused(raw, remedy)
