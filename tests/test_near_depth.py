"""Depth at a smaller scale than streets: objects on a table."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from blocks import SIZE, blocks
from taskscape import modalities, runs
from taskscape.data import Store, StoreWriter
from taskscape.data.sample import IMAGES, PIXELS, sample_values
from taskscape.models import AdaptiveDepthConfig
from taskscape.run_folder import RunFolder
from taskscape.tasks import Depth
from tiny import tiny

FIELDS: dict[str, modalities.Modality] = {"image": modalities.Rgb(), "depth": modalities.Depth()}


@pytest.fixture
def near(tmp_path: Path) -> Path:
    """Write a store of blocks on a table, 0.03 … 0.62 m away."""
    rng, counts = np.random.default_rng(0), {"train": 12, "val": 6}
    writer = StoreWriter(tmp_path / "near", SIZE, counts, FIELDS, {"kind": "blocks"})
    for split, count in counts.items():
        for index in range(count):
            sample = blocks(rng, 2)
            values = {"image": sample.values["image"], "depth": sample.values["depth"] / 80}
            writer.put(split, index, sample._replace(values=values, valid={"depth": sample.valid["depth"]}))
    writer.finish()
    return tmp_path / "near"


def test_near_things_are_learnt_in_their_range(near: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    experiment = replace(tiny(near), tasks={"depth": Depth()}, epochs=12)
    result = runs.train(experiment, run)
    text = " ".join(capsys.readouterr().err.split())
    assert re.search(r"tasks\.depth: .* 0\.03\d … 0\.62 m, .*0\.0 % of it lies outside", text)
    saved = runs.read_experiment(run).tasks["depth"]
    assert isinstance(saved, Depth) and saved.range == (0.017, 1.2) and saved.mean is not None and saved.mean < -1
    errors = [float(row["val/depth/abs_rel"]) for row in RunFolder(run).metric_rows()]
    assert result.metrics["depth/abs_rel"] == pytest.approx(min(errors)) and min(errors) < 0.6 * errors[0]


def test_a_range_that_loses_labels_is_warned_of_before_training(
    near: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    depth = Depth(min_depth=0.5, max_depth=300.0)
    runs.train(replace(tiny(near), tasks={"depth": depth}, epochs=1), tmp_path / "run")
    text = " ".join(capsys.readouterr().err.split())
    assert re.search(r"warning: \d\d % of the depth .*0\.5 … 300 m.*leave both out", text)
    assert text.index("warning") < text.index("epoch 1/1")


def test_bins_start_where_the_depth_is(near: Path) -> None:
    tasks = {"depth": Depth("meters", mean=0.0, std=1.0)}
    experiment = replace(tiny(near), network=AdaptiveDepthConfig(), tasks=tasks)
    network = experiment.for_data(Store.open(near, "train")).network
    assert isinstance(network, AdaptiveDepthConfig) and network.start == 0.14
    assert AdaptiveDepthConfig().for_tasks(tasks).start == 10.0


def test_a_sample_is_values_of_valid_pixels(near: Path) -> None:
    store = Store.open(near, "train")
    values = sample_values(store, "depth")
    valid = store.gather(range(len(store)), ["depth"], torch.device("cpu")).targets["depth"]
    assert len(values) == valid.valid.sum() < IMAGES * PIXELS
    np.testing.assert_array_equal(np.sort(values), np.sort(valid.value[:, 0][valid.valid].numpy()))
