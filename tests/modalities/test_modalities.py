"""Properties of every modality, and of each of the first four."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from taskscape.batch import Target
from taskscape.modalities import MODALITIES, Albedo, Boundaries, Depth, Modality, Normals, Rgb, Semseg
from taskscape.modalities.class_sets import CITYSCAPES_2, CITYSCAPES_7, CITYSCAPES_19, IGNORE_INDEX, label_map
from taskscape.modalities.normals import decode_8bit, encode_8bit
from taskscape.serialization import structure, unstructure

EVERY: list[Modality] = [
    Rgb(),
    Semseg(CITYSCAPES_7),
    Depth(),
    Depth(metric=False),
    Normals(),
    Boundaries(),
    Albedo(),
]
IDS = [type(modality).__name__ for modality in EVERY]
SIZE = (4, 5)


def labels(modality: Modality, seed: int = 0) -> np.ndarray:
    """Return possible values, (H, W) + shape."""
    random = np.random.default_rng(seed)
    normals = random.normal(size=(*SIZE, 3)).astype(np.float32)
    return {
        "rgb": random.integers(0, 256, (*SIZE, 3), np.uint8),
        "semseg": random.integers(0, 7, SIZE),
        "depth": random.uniform(1, 50, SIZE).astype(np.float32),
        "normals": normals / np.linalg.norm(normals, axis=-1, keepdims=True),
        "boundaries": random.integers(0, 2, SIZE),
        "albedo": random.uniform(0.01, 1, (*SIZE, 3)),
    }[modality.name]


def target_of(modality: Modality, count: int = 3) -> Target:
    """Return three images with labels everywhere except, if possible, in the first row."""
    valid = np.ones(SIZE, bool)
    valid[0] = modality.sentinel is None
    stored = np.stack([modality.pack(labels(modality, seed), valid) for seed in range(count)])
    return modality.unpack(torch.from_numpy(stored))


def test_every_modality_is_tested() -> None:
    assert {type(modality) for modality in EVERY} == set(MODALITIES)
    assert len({cls.name for cls in MODALITIES}) == len(MODALITIES)


@pytest.mark.parametrize("modality", EVERY, ids=IDS)
def test_modalities_go_into_files_as_themselves(modality: Modality) -> None:
    plain = unstructure(modality)
    assert plain["type"] == modality.name
    assert structure(plain, "x", Modality) == modality


def test_modalities_do_without_torch() -> None:
    code = "import sys, taskscape.modalities; assert not {'torch', 'matplotlib', 'PIL'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("modality", EVERY, ids=IDS)
def test_stored_values_come_back(modality: Modality) -> None:
    target = target_of(modality)
    assert target.value.shape[0] == target.valid.shape[0] == 3 and target.value.shape[-2:] == target.valid.shape[1:]
    assert target.valid.dtype == torch.bool and target.value.isfinite().all()
    assert target.valid[:, 1:].all() and target.valid[:, 0].all() == (modality.sentinel is None)
    array = modality.to_array(target.value)
    assert array.shape == (3, *SIZE, *modality.shape)
    expected = np.stack([labels(modality, seed) for seed in range(3)])
    np.testing.assert_allclose(array[:, 1:], expected[:, 1:], atol=0.01, rtol=1e-6)


@pytest.mark.parametrize("modality", EVERY, ids=IDS)
def test_a_label_without_pixels(modality: Modality) -> None:
    if modality.sentinel is None:
        with pytest.raises(ValueError, match="every pixel needs a value"):
            modality.empty(SIZE)
        with pytest.raises(ValueError, match="every pixel needs a value"):
            modality.pack(labels(modality), np.zeros(SIZE, bool))
        return
    target = modality.unpack(torch.from_numpy(modality.empty(SIZE)[None]))
    assert not target.valid.any() and target.value.isfinite().all()
    stored = modality.pack(labels(modality), np.zeros(SIZE, bool))
    assert np.array_equal(stored, modality.empty(SIZE)) and stored.dtype == modality.dtype


@pytest.mark.parametrize("modality", EVERY, ids=IDS)
def test_a_flip_twice_is_none(modality: Modality) -> None:
    value, _ = target_of(modality)
    flip, one = torch.diag(torch.tensor([-1.0, 1, 1])).expand(3, 3, 3), torch.ones(3, 1, 1, 1)
    again = modality.warp(modality.warp(value.flip(-1), flip, one).flip(-1), flip, one)
    torch.testing.assert_close(again, value)


@pytest.mark.parametrize("modality", EVERY, ids=IDS)
def test_averages_are_possible_values(modality: Modality) -> None:
    target = target_of(modality)
    sums = modality.accumulate(target)
    assert sums.dtype == torch.float64 and sums.shape[1:] == SIZE
    torch.testing.assert_close(
        modality.accumulate(Target(*(x[:1] for x in target))) * 3,
        modality.accumulate(Target(*(x[[0, 0, 0]] for x in target))),
    )
    absent = modality.accumulate(Target(target.value, torch.zeros_like(target.valid)))
    assert not absent.any()
    average = modality.average(sums)
    assert average.shape == target.value.shape[1:]
    single = modality.average(modality.accumulate(Target(*(x[:1] for x in target))))
    torch.testing.assert_close(single.to(target.value)[..., 1:, :], target.value[0][..., 1:, :], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("modality", EVERY, ids=IDS)
def test_histograms_count_every_pixel(modality: Modality) -> None:
    target = target_of(modality)
    values = modality.to_array(target.value)[target.valid.numpy()]
    counts = modality.histogram(values)
    assert counts.dtype == np.int64 and len(counts) >= len(modality.bins)
    if modality.bins:
        assert counts.sum() == len(values) == counts[: len(modality.bins)].sum()
    assert not modality.histogram(values[:0]).any()


def test_bytes_are_divided_by_255() -> None:
    stored = torch.arange(256, dtype=torch.uint8).repeat_interleave(3).view(2, 8, 16, 3)
    image = Rgb().unpack(stored).value
    expected = torch.from_numpy((stored.numpy() / np.float32(255)).astype(np.float32)).permute(0, 3, 1, 2)
    assert torch.equal(image, expected)
    assert image.is_contiguous(memory_format=torch.channels_last)


def test_colors_outside_the_range_are_clipped() -> None:
    image = torch.tensor([-0.1, 0.5, 1.2]).view(1, 3, 1, 1)
    assert Rgb().to_array(image).ravel().tolist() == [0, 128, 255]


def test_depth_statistics() -> None:
    values = np.array([0.1, 0.3, 1, 2, 3, 300])
    counts = dict(zip(Depth().bins, Depth().histogram(values), strict=True))
    assert counts["0 … 0.25"] == 1 and counts["2 … 4"] == 2 and counts["256 … inf"] == 1
    assert Depth().median(values) == 1.5 and Depth(metric=False).median(values) is None
    (text,) = Depth().histogram_warnings(Depth().histogram(values), 2500.0)
    assert "2.5e+03 m, not 0.3 … 150 m" in text
    assert (
        Depth().histogram_warnings(Depth().histogram(values), 10.0)
        == Depth(metric=False).histogram_warnings(counts, None)
        == []
    )


def test_class_statistics() -> None:
    counts = Semseg(CITYSCAPES_2).histogram(np.array([0, 0, 7]))
    (outside,) = Semseg(CITYSCAPES_2).histogram_warnings(counts, None)
    (absent,) = Semseg(CITYSCAPES_2).split_warnings({"train": counts})
    assert "ids [7] are outside class set 'cityscapes-2'" in outside and "no pixel of train is foreground" in absent
    assert Semseg(CITYSCAPES_2).histogram_warnings(np.bincount([0, 1], minlength=256), None) == []


def test_classes_turn_into_those_of_another_set() -> None:
    ids = torch.tensor([[[0, 1, 10, 18, 13, 0]]])
    valid = torch.tensor([[[True, True, True, True, True, False]]])
    converted = Semseg(CITYSCAPES_19).convert(Target(ids, valid), CITYSCAPES_7)
    table = label_map(CITYSCAPES_19, CITYSCAPES_7)
    assert torch.equal(converted.valid, valid) and converted.value[0, 0, :5].tolist() == table[ids[0, 0, :5]].tolist()
    same = Target(ids, valid)
    assert Semseg(CITYSCAPES_19).convert(same, CITYSCAPES_19) is same
    with pytest.raises(ValueError, match="'cityscapes-7' cannot become 'cityscapes-19'"):
        Semseg(CITYSCAPES_7).convert(same, CITYSCAPES_19)
    unknown = Target(torch.tensor([[[20, 0]]]), torch.ones(1, 1, 2, dtype=torch.bool))
    converted = Semseg(CITYSCAPES_19).convert(unknown, CITYSCAPES_7)
    assert table[20] == IGNORE_INDEX and converted.valid.tolist() == [[[False, True]]]


def test_normals_slightly_longer_than_1_keep_their_direction() -> None:
    axes = np.concatenate([np.eye(3), -np.eye(3)]).astype(np.float32)[None]
    stored = Normals().pack(axes * np.float32(1.009), np.ones((1, 6), bool))
    np.testing.assert_array_equal(stored, 127 * axes)  # the format of stores
    np.testing.assert_array_equal(Normals().to_array(Normals().unpack(torch.from_numpy(stored)[None]).value)[0], axes)
    np.testing.assert_array_equal(encode_8bit(axes * 1.009), encode_8bit(axes))


@pytest.mark.parametrize("modality", [Normals(), Albedo()], ids=["Normals", "Albedo"])
def test_labels_with_zeros_are_labels(modality: Modality) -> None:
    """Such as a wall seen from the side, or pure red: only a pixel whose components are all 0 has no label."""
    values, valid = np.eye(3, dtype=np.float32)[None], np.ones((1, 3), bool)
    target = modality.unpack(torch.from_numpy(modality.pack(values, valid))[None])
    assert target.valid.all() and np.array_equal(modality.to_array(target.value)[0], values)


def test_normals_as_8_bit_images() -> None:
    normals = labels(Normals())
    normals[0] = 0
    coded = encode_8bit(normals)
    assert coded.dtype == np.uint8 and not coded[0].any()
    decoded = decode_8bit(coded)
    assert not decoded[0].any() and np.abs(decoded - normals).max() <= 1 / 255 + 1e-6
    assert np.array_equal(encode_8bit(decoded), coded)


@pytest.mark.parametrize("modality", EVERY, ids=IDS)
def test_people_read_a_word_instead_of_a_key_but_the_name_that_a_user_gave(modality: Modality) -> None:
    assert modality.display_name(modality.name) == (modality.title or modality.name) != "semseg"
    assert modality.display_name("lawn") == "lawn"
