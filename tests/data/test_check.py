"""Problems in data that ``taskscape data check``, and training before it starts, detect."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from taskscape.batch import Sample
from taskscape.cli import main
from taskscape.data import Store, StoreWriter
from taskscape.data.alignment import Alignment
from taskscape.data.check import check, quick, require_labels, require_measurable
from taskscape.data.contrast import Contrast
from taskscape.data.duplicates import fingerprint, near_duplicates
from taskscape.modalities import Depth, Modality, Normals, Semseg
from taskscape.modalities.class_sets import ClassSet
from taskscape.runs import train
from tiny import tiny

SIZE = (32, 48)
EVERYWHERE = np.ones(SIZE, np.bool_)
CLASSES = ClassSet("test", ("ground", "wall", "pole"), ((0, 0, 0), (9, 9, 9), (99, 99, 99)))
FIELDS: dict[str, Modality] = {"semseg": Semseg(CLASSES), "depth": Depth(), "normals": Normals()}
Change = Callable[[dict[str, np.ndarray], dict[str, np.ndarray], int], None]


def scene(seed: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return a wall above a floor, with a pillar; colors, wall and pillar differ between images."""
    random = np.random.default_rng(seed)
    height, width = SIZE
    horizon, left = int(random.integers(6, 12)), 3 + seed
    y, x = np.mgrid[:height, :width]
    floor = y >= horizon
    pillar = (x >= left) & (x < left + 6) & (y >= 2) & (y < 20)
    semseg = np.where(pillar, 2, np.where(floor, 0, 1)).astype(np.uint8)
    depth = np.where(floor, 40 / np.maximum(y - horizon + 2.0, 2), 20 + random.random() + 0.01 * x)
    depth = np.where(pillar, 0.5 * depth.min() + 0.001 * y, depth) * (1 + 0.001 * random.random(SIZE))
    normals = np.where((floor & ~pillar)[..., None], [0, -0.995, -0.1], [0, -0.1, -0.995])
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    noise = random.normal(0, 8, (height // 8, width // 8, 3)).repeat(8, 0).repeat(8, 1)
    colors = random.permutation([50, 120, 200])[:, None] + random.integers(-25, 25, (3, 3))
    image = (colors[semseg] + noise).clip(1, 254).astype(np.uint8)
    values = {"image": image, "semseg": semseg, "depth": depth.astype(np.float32), "normals": normals}
    return values, {name: np.ones(SIZE, bool) for name in FIELDS}


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Path]:
    """Write a store of such scenes, each changed by a function of its values, masks and number."""

    def make(change: Change | None = None, seeds: dict[str, list[int]] | None = None) -> Path:
        seeds = seeds or {"train": list(range(6)), "val": list(range(10, 14))}
        path = tmp_path / "store"
        counts = {split: len(some) for split, some in seeds.items()}
        writer = StoreWriter(path, SIZE, counts, FIELDS, {"kind": "test"})
        for split, some in seeds.items():
            for index, seed in enumerate(some):
                values, valid = scene(seed)
                if change is not None:
                    change(values, valid, seed)
                writer.put(split, index, Sample(values, valid, f"{split}{index}"))
        writer.finish()
        return path

    return make


def quickly(path: Path, *fields: str) -> list[str]:
    return quick({split: Store.open(path, split) for split in ("train", "val")}, fields or tuple(FIELDS))


def test_good_data_give_no_warning(make: Callable[..., Path]) -> None:
    path = make(None, {"train": list(range(20)), "val": list(range(20, 30))})
    assert check(path).warnings == quickly(path) == []


def one_color(values: dict[str, np.ndarray], valid: dict[str, np.ndarray], seed: int) -> None:
    if seed == 2:
        values["image"] = np.full((*SIZE, 3), 77, np.uint8)


def overexposed(values: dict[str, np.ndarray], valid: dict[str, np.ndarray], seed: int) -> None:
    if seed in (1, 4):
        values["image"] = np.where(values["image"] < 4 + values["image"].min(), values["image"], 255).astype(np.uint8)


def twelve_bits(values: dict[str, np.ndarray], valid: dict[str, np.ndarray], seed: int) -> None:
    values["image"] //= 16


def gray(values: dict[str, np.ndarray], valid: dict[str, np.ndarray], seed: int) -> None:
    if seed == 11:
        values["image"] = values["image"][..., :1].repeat(3, 2)


def sentinel(values: dict[str, np.ndarray], valid: dict[str, np.ndarray], seed: int) -> None:
    values["depth"][:3] = 65.535


def cut_off(values: dict[str, np.ndarray], valid: dict[str, np.ndarray], seed: int) -> None:
    values["depth"] = np.minimum(values["depth"], 19)


def spikes(values: dict[str, np.ndarray], valid: dict[str, np.ndarray], seed: int) -> None:
    if seed == 3:
        values["depth"][2::5, 2::5] *= 7


def flat(values: dict[str, np.ndarray], valid: dict[str, np.ndarray], seed: int) -> None:
    if seed == 5:
        values["depth"][:] = 3


def backwards(values: dict[str, np.ndarray], valid: dict[str, np.ndarray], seed: int) -> None:
    values["normals"] = values["normals"] * [1, 1, -1]


def upside_down(values: dict[str, np.ndarray], valid: dict[str, np.ndarray], seed: int) -> None:
    values["normals"] = values["normals"] * [1, -1, 1]


def mirrored(values: dict[str, np.ndarray], valid: dict[str, np.ndarray], seed: int) -> None:
    """Add a wall at the side, whose normals are flipped horizontally."""
    slanted(values, valid, seed)
    values["normals"] = values["normals"] * [-1, 1, 1]


def blue_first(values: dict[str, np.ndarray], valid: dict[str, np.ndarray], seed: int) -> None:
    slanted(values, valid, seed)
    values["normals"] = values["normals"][..., ::-1]


def blue_first_without_depth(values: dict[str, np.ndarray], valid: dict[str, np.ndarray], seed: int) -> None:
    values["normals"] = values["normals"][..., ::-1]
    values["normals"][:, :, 0] -= 1  # more of the wall than of the floor
    values["normals"] /= np.linalg.norm(values["normals"], axis=-1, keepdims=True)
    valid["depth"][:] = False


def slanted(values: dict[str, np.ndarray], valid: dict[str, np.ndarray], seed: int) -> None:
    """Turn the wall about the vertical, to alternating sides, as far as a camera of 90° sees it."""
    width = SIZE[1]
    u = (np.arange(width) - width / 2) / (width / 2) * np.ones(SIZE)
    slope = 0.4 if seed % 2 else -0.4
    wall = values["semseg"] == 1
    values["depth"] = np.where(wall, 12 / (1 + slope * u), values["depth"]).astype(np.float32)
    side = np.array([-slope, 0, -1]) / np.hypot(slope, 1)
    values["normals"] = np.where(wall[..., None], side, values["normals"])


def disparity(values: dict[str, np.ndarray], valid: dict[str, np.ndarray], seed: int) -> None:
    values["depth"], valid["normals"][:] = 40 / values["depth"], False  # normals would not fit the slopes either


def divided(values: dict[str, np.ndarray], valid: dict[str, np.ndarray], seed: int) -> None:
    values["depth"] = values["depth"] / values["depth"].max()


def divided_and_resized(values: dict[str, np.ndarray], valid: dict[str, np.ndarray], seed: int) -> None:
    """Remove the farthest pixel."""
    divided(values, valid, seed)
    values["depth"] *= 1 - 0.003 * (1 + seed)


def two_units(values: dict[str, np.ndarray], valid: dict[str, np.ndarray], seed: int) -> None:
    if seed < 3:
        values["depth"] = values["depth"] / 1000


def one_class(values: dict[str, np.ndarray], valid: dict[str, np.ndarray], seed: int) -> None:
    valid["semseg"] = values["semseg"] == 1


def thin_poles(values: dict[str, np.ndarray], valid: dict[str, np.ndarray], seed: int) -> None:
    values["semseg"][values["semseg"] == 2] = 1
    values["semseg"][:, 10 + seed] = 2


def poles_in_train_only(values: dict[str, np.ndarray], valid: dict[str, np.ndarray], seed: int) -> None:
    if seed >= 10:
        values["semseg"][values["semseg"] == 2] = 1


def one_label_for_all(values: dict[str, np.ndarray], valid: dict[str, np.ndarray], seed: int) -> None:
    values["semseg"] = scene(0)[0]["semseg"]


BY_IMAGE: list[tuple[Change, list[str]]] = [
    (one_color, ["train, image: 1 of 6 images, such as train2, is of one color"]),
    (overexposed, ["train, image: 2 of 6 images, such as train", "are 0 or 255 in most of their channels"]),
    (
        twelve_bits,
        ["train, image: 6 of 6 images", "val, image: 4 of 4 images", "are nearly black, with no channel above 1"],
    ),
    (gray, ["val, image: 1 of 4 images, such as val1, is gray", "the others have colors"]),
    (sentinel, ["train, depth: 6 of 6 images", "many pixels of exactly 65.535 m"]),
    (cut_off, ["train, depth: 6 of 6 images", "many pixels of exactly 19 m"]),
    (spikes, ["train, depth: 1 of 6 images, such as train3, has spikes"]),
    (flat, ["train, depth: 1 of 6 images, such as train5, has the same depth at every pixel"]),
    (backwards, ["train, normals: 6 of 6 images", "face away from the camera"]),
    (upside_down, ["train, normals: the ground seems to face down in 6 of 6 images"]),
    (
        mirrored,
        ["train, normals: the slopes of depth in 6 images, such as train", "with -x where x is", "val, normals"],
    ),
    (
        blue_first,
        ["train, normals: the slopes of depth in 6 images, such as train", "with z where x is", "val, normals"],
    ),
    (disparity, ["train, depth: the lowest quarter is farther than the upper half in 6 of 6 images, such as train"]),
    (divided, ["train, depth: 6 of 6 images, such as train0, end at 1 m: if the depth of each was divided"]),
    (divided_and_resized, ["train, depth: 6 of 6 images, such as train0, end at 1 m", "val, depth: 4 of 4 images"]),
    (one_class, ["train, semseg: every labeled pixel is wall", "val, semseg: every labeled pixel is wall"]),
    (thin_poles, ["train, semseg: most of pole is one pixel wide in most images, such as train"]),
]
"""Problems that are visible in a single image or split, and therefore before training."""


@pytest.mark.parametrize(("change", "expected"), BY_IMAGE, ids=lambda one: getattr(one, "__name__", ""))
def test_faults_of_images_and_labels(make: Callable[..., Path], change: Change, expected: list[str]) -> None:
    path = make(change)
    for warnings in (check(path).warnings, quickly(path)):
        text = "\n".join(warnings)
        assert all(part in text for part in expected), text
        fields = {part.partition(":")[0] for part in warnings if ", " in part.partition(":")[0]}
        assert {field.partition(", ")[2] for field in fields} == {expected[0].partition(", ")[2].partition(":")[0]}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (poles_in_train_only, "semseg: no pixel of val is pole, which train has"),
        (one_class, "semseg: no pixel of train and val is ground, pole: is it the right class set?"),
        (one_label_for_all, "10 images share their semseg label with another image, such as train/train0 and"),
    ],
)
def test_faults_between_images_and_splits(make: Callable[..., Path], change: Change, expected: str) -> None:
    path = make(change)
    assert any(warning.startswith(expected) for warning in check(path).warnings)
    assert not any(warning.startswith(expected) for warning in quickly(path))


@pytest.mark.parametrize(
    ("factor", "others", "expected"),
    [
        (10, [1, 4, 7], "train, depth: 3 of 10 images, such as train"),
        (3.9, list(range(20, 28)), "depth: val is "),
        (2, [0, 2, 4, 6, 8], ""),
        (2, list(range(20, 28)), ""),
    ],
)
def test_depth_in_two_units(make: Callable[..., Path], factor: float, others: list[int], expected: str) -> None:
    def change(values: dict[str, np.ndarray], valid: dict[str, np.ndarray], seed: int) -> None:
        valid["normals"][:] = False
        if seed in others:
            values["depth"] = values["depth"] / factor

    path = make(change, {"train": list(range(10)), "val": list(range(20, 28))})
    for warnings in (check(path).warnings, quickly(path)):
        of_units = [text for text in warnings if "have the same unit" in text]
        assert [text.startswith(expected) for text in of_units] == [True] * bool(expected)


def test_near_duplicates_are_told_apart_from_duplicates(make: Callable[..., Path]) -> None:
    random = np.random.default_rng(0)

    def saved_anew(values: dict[str, np.ndarray], valid: dict[str, np.ndarray], seed: int) -> None:
        """Make every image brighter and slightly noisy, including the second of two with the same seed."""
        noisy = values["image"] * 1.02 + random.integers(0, 3, (*SIZE, 3))
        values["image"] = noisy.clip(0, 255).astype(np.uint8)

    warnings = check(make(saved_anew, {"train": [0, 1, 2, 2, 4], "val": [1, 6]})).warnings
    text = "\n".join(warnings)
    assert "1 image is nearly the same as one of another split, such as train/train1 and val/val0" in text
    assert "1 image is nearly the same as another of the same split, such as train/train2 and train/train3" in text
    assert "are in two splits" not in text and "occur twice" not in text


def test_duplicates(make: Callable[..., Path]) -> None:
    text = "\n".join(check(make(None, {"train": [0, 1, 2, 2], "val": [1, 6]})).warnings)
    assert "1 image is in two splits, such as train/train1 = val/val0" in text
    assert "1 image occurs twice in a split, such as train/train2 = train/train3" in text
    assert "nearly" not in text and "share their" not in text


def test_near_duplicates_are_those_of_a_comparison_of_all_pairs() -> None:
    random = np.random.default_rng(0)
    images = [
        np.asarray(Image.fromarray(random.integers(0, 256, (6, 8, 3), np.uint8)).resize((64, 48))) for _ in range(60)
    ]
    images += [(image * 0.9 + 8).astype(np.uint8) for image in images[:20]]
    images.append(np.full((48, 64, 3), 9, np.uint8))
    images.append(np.full((48, 64, 3), 9, np.uint8))  # a single color: nothing to compare
    hashes, thumbnails = zip(*map(fingerprint, images), strict=True)
    assert list(near_duplicates(hashes, thumbnails)) == [(index, index + 60) for index in range(20)]
    assert all((a ^ b).bit_count() <= 3 for a, b in zip(hashes[:20], hashes[60:80], strict=True))


def test_only_the_fields_of_the_tasks_are_read_before_training(make: Callable[..., Path]) -> None:
    path = make(sentinel)
    assert quickly(path, "semseg") == [] and len(quickly(path, "depth")) == 2


def test_a_quick_check_is_quick(tmp_path: Path) -> None:
    size, count = (256, 512), 40
    writer = StoreWriter(tmp_path / "store", size, {"train": count, "val": count}, FIELDS, {"kind": "test"})
    values, valid = scene(0)
    large = {name: array.repeat(8, 0).repeat(11, 1)[:, :512] for name, array in values.items()}
    for split in ("train", "val"):
        for index in range(count):
            writer.put(split, index, Sample(large, {n: np.ones(size, bool) for n in valid}, str(index)))
    writer.finish()
    seconds = []
    for _ in range(3):
        start = time.process_time()
        quickly(tmp_path / "store")
        seconds.append(time.process_time() - start)
    assert min(seconds) < 1


def test_observations_that_a_modality_does_not_know_are_none(make: Callable[..., Path]) -> None:
    """A label without a valid pixel is counted, not observed."""

    def unlabeled(values: dict[str, np.ndarray], valid: dict[str, np.ndarray], seed: int) -> None:
        if seed < 10:
            valid["depth"][:] = False

    path = make(unlabeled)
    findings = check(path)
    assert findings.splits["train"].fields["depth"].observed == {}
    assert findings.warnings == [
        "train: 6 of 6 images have no pixel with depth labels, such as train0: check that its label exists under "
        "the image's name, and that not all values count as invalid"
    ]


def test_training_without_a_label_of_a_task_is_refused(make: Callable[..., Path], tmp_path: Path) -> None:
    def few(values: dict[str, np.ndarray], valid: dict[str, np.ndarray], seed: int) -> None:
        valid["depth"][:] = seed == 5  # only the last image of the split has depth
        valid["normals"][:] = seed >= 10

    path = make(few)
    require_labels(Store.open(path, "train"), ["depth", "semseg"])
    with pytest.raises(ValueError, match=r"no pixel of .*store, train, has normals labels"):
        train(replace(tiny(path), epochs=1, batch_size=2), tmp_path / "run", quiet=True)


def test_validation_without_a_label_is_refused_before_the_first_epoch(
    make: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unlabeled(values: dict[str, np.ndarray], valid: dict[str, np.ndarray], seed: int) -> None:
        for name in ("semseg", "normals"):
            valid[name][:] = seed < 10

    path = make(unlabeled)
    require_measurable(Store.open(path, "val"), ["semseg", "depth"])
    monkeypatch.setattr("taskscape.runs.training_run.assemble", None)  # nothing is built
    experiment = replace(tiny(path), epochs=1, batch_size=2, monitor="semseg/miou")
    with pytest.raises(ValueError, match=r"store, val, has semseg labels, so the best epoch cannot be chosen: "):
        train(experiment, tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()


def test_training_begins_with_the_quick_check(
    make: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment = replace(tiny(make(sentinel)), epochs=1, batch_size=2)
    train(experiment, tmp_path / "run")
    warnings = " ".join(capsys.readouterr().err.split())
    assert "warning: train, depth: 6 of 6 images" in warnings and "exactly 65.535 m" in warnings
    train(experiment, tmp_path / "quiet", quiet=True)
    assert "warning" not in "".join(capsys.readouterr())


def test_normals_in_the_order_of_blue_green_red_without_depth(make: Callable[..., Path]) -> None:
    assert any(
        "channels in the order blue, green, red" in text for text in check(make(blue_first_without_depth)).warnings
    )


@pytest.mark.parametrize("change", [None, slanted])
def test_normals_that_fit_their_depth(make: Callable[..., Path], change: Change | None) -> None:
    path = make(change)
    assert check(path).warnings == quickly(path) == []


def test_a_set_of_gray_images_is_no_fault(make: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    def thermal(values: dict[str, np.ndarray], valid: dict[str, np.ndarray], seed: int) -> None:
        values["image"] = values["image"][..., :1].repeat(3, 2)

    path = make(thermal)
    findings = check(path)
    assert findings.warnings == quickly(path) == []
    assert findings.remarks == [
        f"{split}, image: every image is gray, all channels the same" for split in ("train", "val")
    ]
    main(["data", "check", str(path)])
    printed = capsys.readouterr().out
    assert "note: train, image: every image is gray" in printed and "no problems found" in printed


@pytest.mark.parametrize("field", ["semseg", "depth", "normals"])
@pytest.mark.parametrize(("axes", "motion"), [(1, "mirrored left to right"), (0, "mirrored top to bottom")])
def test_labels_that_lie_the_other_way_round(make: Callable[..., Path], field: str, axes: int, motion: str) -> None:
    def move(values: dict[str, np.ndarray], valid: dict[str, np.ndarray], seed: int) -> None:
        if seed % 2:
            values[field] = np.flip(values[field], axes)

    seeds = {"train": list(range(12)), "val": [20, 22]}
    warnings = [warning for warning in quickly(make(move, seeds)) if "fit the images better" in warning]
    assert len(warnings) == 1 and warnings[0].startswith(f"train, {field}: the labels of "), warnings
    assert "of 12 images, such as train" in warnings[0] and motion in warnings[0]


@pytest.mark.parametrize("method", [Image.Resampling.NEAREST, Image.Resampling.BILINEAR, Image.Resampling.BICUBIC])
def test_smoothed_labels_are_told_apart_from_thin_ones(method: Image.Resampling) -> None:
    ten_classes = Semseg(ClassSet("ten", tuple("abcdefghij"), ((0, 0, 0),) * 10))
    statistics: dict[str, dict[str, float]] = {}
    for seed in range(4):
        blocks = Image.fromarray(np.random.default_rng(seed).integers(0, 10, (8, 12), np.uint8))
        label = np.asarray(blocks.resize((48, 32), method)).clip(0, 9)
        for name, number in ten_classes.image_statistics(label, np.ones(label.shape, np.bool_)).items():
            statistics.setdefault(name, {})[str(seed)] = number
    sentences = ten_classes.statistics_warnings(statistics)
    is_smoothed = method != Image.Resampling.NEAREST
    assert [sentence.startswith("the ids along edges in 4 of 4 images, such as ") for sentence in sentences] == (
        [True] * is_smoothed
    )


@pytest.mark.parametrize(("shift", "neighbor"), [(1, "before"), (-1, "after")])
def test_labels_that_are_numbered_otherwise(make: Callable[..., Path], shift: int, neighbor: str) -> None:
    def of_a_neighbor(values: dict[str, np.ndarray], valid: dict[str, np.ndarray], seed: int) -> None:
        values["semseg"] = scene(seed - shift)[0]["semseg"]

    warnings = check(make(of_a_neighbor, {"train": list(range(1, 12)), "val": [20, 22]})).warnings
    expected = f"fit the images better when they are given to the image {neighbor}: check that images and labels are"
    assert any("train, semseg: the labels of " in text and expected in text for text in warnings), warnings


def test_classes_may_be_named_like_a_statistic() -> None:
    """Neither name is taken for the other."""
    modality = Semseg(ClassSet("odd", ("smoothed", "thin: smoothed"), ((0, 0, 0), (9, 9, 9))))
    label = np.zeros((20, 30), np.uint8)
    label[:, 3::7] = 1  # lines of one pixel
    numbers = modality.image_statistics(label, np.ones(label.shape, np.bool_))
    assert len(numbers) == 3
    by_image = {name: dict.fromkeys("abc", number) for name, number in numbers.items()}
    assert [text.partition(" is ")[0] for text in modality.statistics_warnings(by_image)] == ["most of thin: smoothed"]


def test_a_contour_is_not_smoothing() -> None:
    """Its id is between those of both sides everywhere."""
    label = np.zeros((40, 40), np.uint8)
    label[5:35, 5:35], label[6:34, 6:34] = 1, 2
    statistics = Semseg(CLASSES).image_statistics(label, np.ones(label.shape, np.bool_))
    by_image = {
        name: dict.fromkeys(("a", "b", "c"), number) for name, number in statistics.items() if "wall" not in name
    }
    assert Semseg(CLASSES).statistics_warnings(by_image) == []


def test_labels_that_say_nothing_about_their_images_have_no_right_side() -> None:
    """On average, their edges have less contrast than other places."""
    random = np.random.default_rng(0)
    silent, swapped = Alignment(), Alignment()
    for name in map(str, range(20)):
        contrast = Contrast(random.integers(0, 256, (*SIZE, 3)))
        silent.add(name, contrast, (contrast.values < 0.8) & (random.random(SIZE) < 0.3), EVERYWHERE)
        swapped.add(name, contrast, ((contrast.values > 1.5) & (random.random(SIZE) < 0.3))[::-1], EVERYWHERE)
    assert silent.warnings() == []
    assert len(swapped.warnings()) == 1 and "20 of 20 images" in swapped.warnings()[0]


@pytest.mark.parametrize("field", ["semseg", "depth"])
@pytest.mark.parametrize(
    ("down", "right", "remedy"),
    [(3, 0, "moved by 3 pixels up: check whether"), (-2, 4, "moved by 2 pixels down and 4 pixels to the left")],
)
def test_labels_that_are_displaced(field: str, down: int, right: int, remedy: str) -> None:
    modality, in_place, displaced = FIELDS[field], Alignment(), Alignment()
    for seed in range(12):
        values, valid = scene(seed)
        contrast = Contrast(values["image"])
        in_place.add(str(seed), contrast, modality.edges(values[field], valid[field]), valid[field])
        moved = np.roll(values[field], (down, right), (0, 1))
        displaced.add(str(seed), contrast, modality.edges(moved, valid[field]), valid[field])
    assert in_place.warnings() == []
    assert len(displaced.warnings()) == 1 and remedy in displaced.warnings()[0], displaced.warnings()


def test_edges_may_be_of_color_only() -> None:
    """A red and a green of one brightness differ."""
    image = np.full((8, 12, 3), (90, 10, 20), np.uint8)
    image[:, 6:] = 20, 90, 10
    contrast = Contrast(image).values
    assert contrast[:, 6].min() > 3 and not contrast[1:, :6].any()


def test_labels_of_other_images_are_noticed() -> None:
    random = np.random.default_rng(0)
    own, shuffled, at_rest = Alignment(), Alignment(), Alignment()
    noise = [Image.fromarray(random.integers(0, 256, (5, 6), np.uint8)) for _ in range(40)]
    regions = [np.asarray(blobs.resize((96, 64), Image.Resampling.BICUBIC)) > 128 for blobs in noise]
    everywhere = np.ones((64, 96), np.bool_)
    edges = [FIELDS["semseg"].edges(label, everywhere) for label in regions]
    for number, label in enumerate(regions):
        image = label[..., None] * 90 + 60 + random.integers(0, 60, (64, 96, 3))
        own.add(str(number), Contrast(image), edges[number], everywhere)
        shuffled.add(str(number), Contrast(image), edges[number * 7 % 40], everywhere)
        still = regions[0][..., None] * 90 + 60 + random.integers(0, 60, (64, 96, 3))
        at_rest.add(str(number), Contrast(still), edges[0], everywhere)
    assert own.warnings() == at_rest.warnings() == []
    assert ["fit the other images as well as their own" in text for text in shuffled.warnings()] == [True]


def test_labels_of_a_part_of_the_image_are_not_mirrored() -> None:
    """Where there are no labels, there are no edges, even if the image has stronger ones there."""
    random, partly = np.random.default_rng(0), Alignment()
    for name in map(str, range(12)):
        image = np.full((40, 60, 3), 100) + random.integers(0, 8, (40, 60, 3))
        image[:, :12] += 120
        image[:, 48:] += 30
        labeled = np.zeros((40, 60), np.bool_)
        labeled[:, 30:] = True
        partly.add(name, Contrast(image), np.arange(60) == np.full((40, 1), 48), labeled)
    assert partly.warnings() == []


@pytest.mark.parametrize(
    ("move", "motion"),
    [
        (np.transpose, "transposed (rows and columns exchanged)"),
        (lambda label: label[::-1, ::-1].T, "transposed and turned by half"),
        (np.rot90, "turned by a quarter to the right"),
        (lambda label: np.rot90(label, -1), "turned by a quarter to the left"),
    ],
)
def test_square_labels_that_are_turned(move: Callable[[np.ndarray], np.ndarray], motion: str) -> None:
    """Their aspect ratio does not tell."""
    random = np.random.default_rng(0)
    upright, moved = Alignment(), Alignment()
    for name in map(str, range(12)):
        contrast = Contrast(random.integers(0, 256, (40, 40, 3)))
        edges, everywhere = (contrast.values > 1.5) & (random.random((40, 40)) < 0.3), np.ones((40, 40), np.bool_)
        upright.add(name, contrast, edges, everywhere)
        moved.add(name, contrast, move(edges), everywhere)
    assert upright.warnings() == []
    assert len(moved.warnings()) == 1 and motion in moved.warnings()[0]
