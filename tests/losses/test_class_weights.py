"""Class weights by the published rules, against counts and formulas computed by hand."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from taskscape import runs
from taskscape.batch import Target
from taskscape.losses import CrossEntropy
from taskscape.losses.class_weights import ClassCounts, class_weights
from taskscape.runs import read_experiment
from taskscape.tasks import SemanticSegmentation
from tiny import tiny

IDS = torch.tensor([[[0, 0, 0, 1]], [[0, 0, 2, 2]], [[0, 0, 0, 0]]])
VALID = torch.tensor([[[True, True, True, True]], [[True, True, True, False]], [[True, True, False, False]]])
"""Of the four classes, class 0 has 3 + 2 + 2 of 4 + 3 + 2 pixels, class 1 one of 4, class 2 one of 3; 3 has none."""


@pytest.fixture
def counts() -> ClassCounts:
    return ClassCounts.of([Target(IDS[:2], VALID[:2]), Target(IDS[2:], VALID[2:])], 4)


def test_counts(counts: ClassCounts) -> None:
    assert counts.pixels.tolist() == [7, 1, 1, 0]
    assert counts.images.tolist() == [3, 1, 1, 0]
    assert counts.pixels_of_images.tolist() == [9, 4, 3, 0]


def test_median_frequency(counts: ClassCounts) -> None:
    # frequencies 7/9, 1/4 and 1/3: the median is 1/3
    expected = (1 / 3 / (7 / 9), 1 / 3 / (1 / 4), 1.0, 1.0)
    assert class_weights("median-frequency", counts) == pytest.approx(expected, rel=1e-5)


def test_inverse_log(counts: ClassCounts) -> None:
    expected = [1 / math.log(1.02 + part) for part in (7 / 9, 1 / 9, 1 / 9, 0)]
    assert class_weights("inverse-log", counts) == pytest.approx(expected, rel=1e-5)
    assert expected[-1] == pytest.approx(50.498, abs=1e-3)  # ENet's bound


def test_effective_number(counts: ClassCounts) -> None:
    # (1 - β³) / (1 - β) = 1 + β + β²: three images count a little less than three times one image
    three, one = 1 / (1 + 0.999 + 0.999**2), 1.0
    mean = (three + 2 * one) / 3
    expected = (three / mean, one / mean, one / mean, 1.0)
    assert class_weights("effective-number", counts) == pytest.approx(expected, rel=1e-5)


def test_no_label_at_all_is_refused() -> None:
    counts = ClassCounts.of([Target(IDS, torch.zeros_like(VALID))], 4)
    with pytest.raises(ValueError, match="no training image has a label"):
        class_weights("inverse-log", counts)


def test_a_run_computes_them_and_saves_the_numbers(store: Path, tmp_path: Path) -> None:
    loss = CrossEntropy(class_weights="inverse-log")
    experiment = replace(tiny(store), tasks={"semseg": SemanticSegmentation(loss=loss)}, epochs=1)
    said: list[str] = []
    train = experiment.data.open()["train"]
    filled = experiment.for_data(train, said.append).tasks["semseg"].loss
    assert isinstance(filled, CrossEntropy) and isinstance(filled.class_weights, tuple)
    ids = train.gather(range(len(train)), ["semseg"], torch.device("cpu")).targets["semseg"].value
    part = [(ids == id_).double().mean().item() for id_ in range(2)]
    assert filled.class_weights == pytest.approx([1 / math.log(1.02 + p) for p in part], rel=1e-5)
    names = train.fields["semseg"].classes.classes
    assert len(said) == 1 and said[0].startswith("tasks.semseg: class weights by inverse-log, from ")
    assert all(f" of {name}" in said[0] for name in names)
    runs.train(experiment, tmp_path, quiet=True)
    saved = read_experiment(tmp_path).tasks["semseg"].loss
    assert saved == filled


def test_a_rule_needs_data_and_its_name_is_checked() -> None:
    loss = CrossEntropy(class_weights="median-frequency")
    with pytest.raises(ValueError, match=r"class_weights is 'median-frequency', which needs the labels.*for_data"):
        loss(torch.zeros(3, 4, 1, 4), Target(IDS, VALID))
    with pytest.raises(ValueError, match=r"class_weights is 'inverse-lg'.*one of.*'inverse-log'"):
        CrossEntropy(class_weights="inverse-lg")  # type: ignore[arg-type]


def test_the_median_of_an_even_number_of_frequencies_is_the_mean_of_the_middle_two() -> None:
    ids = torch.tensor([[[0] * 5 + [1] * 3 + [2] * 1 + [3] * 1]])
    counts = ClassCounts.of([Target(ids, torch.ones_like(ids, dtype=torch.bool))], 4)
    assert class_weights("median-frequency", counts) == pytest.approx((0.2 / 0.5, 0.2 / 0.3, 2.0, 2.0), rel=1e-5)
