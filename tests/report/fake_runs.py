"""Runs on disk for reports, filled with seeded noise."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from taskscape.metrics import DepthMetrics, NormalsMetrics, SegmentationMetrics
from taskscape.modalities import ClassSet, Depth, Modality, Normals, Semseg
from taskscape.run_folder import Result, RunFolder

CLASSES = ("road", "<b>kerb</b> & co", 'sign "stop"')
PALETTE = ((128, 64, 128), (244, 35, 232), (220, 220, 0))
MODALITIES: dict[str, Modality] = {
    "semseg": Semseg(classes=ClassSet("odd names", CLASSES, PALETTE)),
    "depth": Depth(),
    "normals": Normals(),
}
TASK_METRICS = {"semseg": SegmentationMetrics(CLASSES), "depth": DepthMetrics(), "normals": NormalsMetrics()}
SPECS = {f"{task}/{name}": spec for task, metric in TASK_METRICS.items() for name, spec in metric.specs.items()}
METRICS = {
    "semseg": {"miou": 60.0, "pixel_accuracy": 90.0, **{f"iou/{name}": 50.0 + i for i, name in enumerate(CLASSES)}},
    "depth": {"abs_err": 2.0, "abs_rel": 0.1, "si_log_rmse": 15.0, "delta1": 88.0},
    "normals": {"mean": 20.0, "within_30": 80.0},
}
PLOTS: dict[str, Any] = {
    "semseg/confusion": [[90, 10, 0], [5, 15, 0], [0, 0, 0]],
    "depth/histogram": {
        "edges": [0.5, 1, 2, 4, 8, 16, 32], "predicted": [0, 3, 4, 5, 2, 0], "true": [0, 2, 5, 5, 2, 0]
    },
    "depth/error_by_distance": {
        "edges": [1, 2, 4, 8], "abs_err": [0.1, 0.4, 1.0], "abs_rel": [0.1, 0.2, 0.15], "pixels": [1, 2, 3]
    },
}  # fmt: skip
SETTINGS: dict[str, Any] = {
    "network": {"type": "deeplab-joint", "encoder": "resnet18", "rates": [3, 6]},
    "data": {"type": "streets", "folder": None, "note": "<script>alert(1)</script>"},
    "weighting": {"type": "fixed", "weights": {}},
    "epochs": 4,
    "seed": 0,
}


def samples(rng: np.random.Generator, tasks: tuple[str, ...], size: tuple[int, int], count: int) -> dict[str, Any]:
    """Return samples of blocks of 4 × 4 pixels, so that they compress like photographs."""
    shape = (count, -(-size[0] // 4), -(-size[1] // 4))
    arrays: dict[str, Any] = {
        "image": rng.integers(0, 256, (*shape, 3), np.uint8),
        "name": np.array([f"<i>{i}" for i in range(count)]),
    }
    for task in tasks:
        for part in ("label", "prediction"):
            if task == "semseg":
                value: Any = rng.integers(0, len(CLASSES), shape, np.uint8)
            elif task == "depth":
                value = rng.uniform(1, 60, shape).astype(np.float32)
            else:
                value = rng.normal(size=(*shape, 3)).astype(np.float32)
                value /= np.linalg.norm(value, axis=-1, keepdims=True)
            arrays[f"{task}/{part}"] = value
        arrays[f"{task}/valid"] = rng.random(shape) < 0.9
    arrays[f"{tasks[0]}/valid"][-1] = False  # an image without this label
    return {
        key: value if key == "name" else value.repeat(4, 1).repeat(4, 2)[:, : size[0], : size[1]]
        for key, value in arrays.items()
    }


def make_run(
    folder: Path,
    name: str = "run",
    tasks: tuple[str, ...] = ("semseg", "depth", "normals"),
    *,
    settings: dict[str, Any] | None = None,
    scale: float = 1.0,
    size: tuple[int, int] = (16, 32),
    count: int = 2,
) -> Path:
    """Write a run with ``count`` sample images; ``scale`` multiplies every metric."""
    run = RunFolder(folder / name)
    run.path.mkdir(parents=True)
    learned = {"tasks": {task: {"type": task} if task in tasks else None for task in MODALITIES}}
    run.experiment.write_text(yaml.safe_dump({**SETTINGS, **learned, **(settings or {})}))
    run.weights.touch()  # their content is not shown on pages
    metrics = {f"{task}/{key}": value * scale for task in tasks for key, value in METRICS[task].items()}
    Result(
        split="val",
        images=50,
        size=(128, 256),
        tasks={task: MODALITIES[task] for task in tasks},
        metrics=metrics,
        specs={name: spec for name, spec in SPECS.items() if name.split("/")[0] in tasks},
        plots={key: plot for key, plot in PLOTS.items() if key.split("/")[0] in tasks},
        cost={"parameters": 11.2e6, "flops": 3.4e9, "seconds_per_image": 0.0123, "seconds": 1900.0},
        environment={"device": "CPU"},
    ).save(run.result())
    with run.metrics.open("w", newline="") as file:
        table = csv.writer(file)
        losses, weights = [f"train/loss/{t}" for t in tasks], [f"train/weight/{t}" for t in tasks]
        validated = [f"val/loss/{t}" for t in tasks] + [f"val/{m}" for m in metrics]
        table.writerow(["epoch", "step", "lr", "seconds", *losses, *weights, *validated])
        for epoch in range(1, 5):
            table.writerow(
                [epoch, 10 * epoch, 1e-3 / epoch, 5.0, *(2.0 / epoch for _ in tasks), *(1.0 for _ in tasks)]
                + ["" if epoch == 2 else 3.0 / epoch for _ in tasks]
                + ["" if epoch == 2 else value * epoch / 4 for value in metrics.values()]
            )
    np.savez(run.samples(), **samples(np.random.default_rng(0), tasks, size, count))
    return run.path


def change_result(run: Path, **fields: Any) -> None:
    """Rewrite fields of a run's result."""
    path = RunFolder(run).result()
    replace(Result.load(path), **fields).save(path)
