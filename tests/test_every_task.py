"""All kinds of tasks together, end to end: store, training, evaluation, report, prediction, baselines."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from blocks import SIZE, blocks
from taskscape import runs
from taskscape.batch import Sample
from taskscape.data import Store, StoreWriter
from taskscape.evaluation.baselines import baseline
from taskscape.inference import load
from taskscape.inference.predict import predict
from taskscape.modalities import Albedo, Boundaries, Depth, Modality, Normals, Semseg
from taskscape.modalities.albedo import decode_8bit
from taskscape.modalities.class_sets import CITYSCAPES_2
from taskscape.report.page import write_report
from taskscape.run_folder.result import Result
from taskscape.serialization import dump, parse
from taskscape.tasks import TASKS, SemanticSegmentation, SurfaceNormals, Task
from taskscape.tasks import Albedo as AlbedoTask
from taskscape.tasks import Boundaries as BoundariesTask
from taskscape.tasks import Depth as DepthTask
from tiny import tiny

FIELDS: dict[str, Modality] = {
    "semseg": Semseg(CITYSCAPES_2),
    "depth": Depth(),
    "normals": Normals(),
    "edges": Boundaries(),
    "albedo": Albedo(),
}
TASK_OF: dict[str, Task] = {
    "semseg": SemanticSegmentation(),
    "depth": DepthTask(),
    "normals": SurfaceNormals(),
    "boundaries": BoundariesTask(source="edges"),
    "outlines": BoundariesTask(source="semseg"),
    "albedo": AlbedoTask(),
}
LEADING = {"semseg/miou", "depth/abs_rel", "normals/mean", "boundaries/ods", "outlines/ods", "albedo/si_mse"}


def sample(rng: np.random.Generator) -> Sample:
    """Return blocks with the boundaries of their grid and the image as albedo, except in the upper row."""
    plain = blocks(rng, len(CITYSCAPES_2))
    edges = np.zeros(SIZE, np.uint8)
    edges[7::8], edges[:, 7::8] = 1, 1
    albedo = decode_8bit(plain.values["image"]).astype(np.float32)
    return Sample(
        {**plain.values, "edges": edges, "albedo": albedo},
        {**plain.valid, "edges": np.ones(SIZE, bool), "albedo": plain.valid["depth"]},
        plain.name,
    )


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "everything"
    writer, rng = StoreWriter(path, SIZE, {"train": 8, "val": 4}, FIELDS, {"kind": "blocks"}), np.random.default_rng(0)
    for split, count in (("train", 8), ("val", 4)):
        for index in range(count):
            writer.put(split, index, sample(rng))
    writer.finish()
    return path


@pytest.fixture(scope="module")
def run(everything: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    experiment = replace(tiny(everything), tasks=TASK_OF, epochs=2)
    assert parse(dump(experiment), "experiment", runs.Experiment) == experiment
    path = tmp_path_factory.mktemp("run") / "every-task"
    runs.train(experiment, path, quiet=True)
    yield path


def test_every_kind_of_task_is_here() -> None:
    assert {type(task) for task in TASK_OF.values()} == set(TASKS)


def test_metrics_of_every_task(run: Path) -> None:
    result = Result.load(run / "result.json")
    assert {name for name, spec in result.specs.items() if spec.leads} == LEADING
    assert result.metrics.keys() >= LEADING
    assert all(math.isfinite(value) for value in result.metrics.values())
    assert {name: type(modality) for name, modality in result.tasks.items()} == {
        name: type(task.modality) if name != "semseg" else Semseg for name, task in TASK_OF.items()
    }


def test_flipped_images_count_as_well(run: Path) -> None:
    metrics = runs.evaluate(run, tta=True).metrics
    assert metrics.keys() >= LEADING


def test_the_report_shows_every_task(run: Path) -> None:
    page = write_report(run).read_text()
    for title in ("ODS F", "OIS F", "si-MSE", "LMSE", "false alarm", "scaled to the brightness"):
        assert title in page


def test_predictions_of_every_task(run: Path, tmp_path: Path) -> None:
    image = tmp_path / "image.png"
    Image.fromarray(blocks(np.random.default_rng(5), 2).values["image"]).save(image)
    written = predict(load(run, device="cpu"), [image], tmp_path / "out")
    for task in TASK_OF:
        assert any(task in path.name or task in str(path.parent) for path in written)


def test_baselines_of_every_field(everything: Path) -> None:
    train, val = (Store.open(everything, split) for split in ("train", "val"))
    metrics = baseline(train, val)
    assert metrics.by_position["edges/ods"] == 100  # the grid is the same in all images
    assert metrics.constant["edges/ods"] < 90
    assert 0 < metrics.constant["albedo/lmse"] < 1


def test_a_batch_of_every_task_is_flipped_as_a_whole(everything: Path) -> None:
    torch.manual_seed(0)
    store = Store.open(everything, "train")
    fields = store.gather([0, 1], list(FIELDS), torch.device("cpu")).targets
    motion = torch.diag(torch.tensor([-1.0, 1.0, 1.0])).expand(2, 3, 3)
    for name, task in TASK_OF.items():
        source = task.source_for(name)
        task, modality = task.for_data(source, FIELDS[source]), FIELDS[source]
        value, valid = fields[source]
        flipped = modality.warp(value.flip(-1), motion, torch.ones(2, 1, 1, 1))
        target, mirrored = (
            task.target(t, modality) for t in (fields[source], type(fields[source])(flipped, valid.flip(-1)))
        )
        raw = torch.randn(2, task.channels, *SIZE)
        plain, same = task.compute_loss(raw, target), task.compute_loss(task.hflip(raw), mirrored)
        torch.testing.assert_close(same.sum, plain.sum, rtol=1e-4, atol=1e-4)
        assert same.count == plain.count
