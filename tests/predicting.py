"""Untrained runs for predictions, and images for them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from blocks import SIZE
from taskscape.commands.call import call
from taskscape.commands.predict import predict
from taskscape.modalities.class_sets import CITYSCAPES_2, ClassSet
from taskscape.run_folder import Result, RunFolder
from taskscape.serialization import dump
from taskscape.state_dicts import save_safetensors
from taskscape.tasks import SemanticSegmentation, Task
from tiny import tiny


def make_run(path: Path, tasks: Mapping[str, Task]) -> Path:
    """Write a run as after training, but with random weights."""
    run = RunFolder(path)
    experiment = replace(tiny(Path("nowhere")), tasks=tasks)
    torch.manual_seed(0)
    network = experiment.network.build({name: task.channels for name, task in tasks.items()})
    run.experiment.write_text(dump(experiment))
    save_safetensors(run.weights, network.state_dict())
    modalities = {name: task.modality for name, task in tasks.items()}
    Result(split="val", images=1, size=(50, 70), tasks=modalities, metrics={}, specs={}).save(run.result())
    return path


def three_tasks(classes: ClassSet = CITYSCAPES_2) -> dict[str, Task]:
    """Return tasks for classes, depth and normals."""
    return {**tiny(Path("nowhere")).tasks, "semseg": SemanticSegmentation(classes=classes)}


def rgb(height: int = SIZE[0], width: int = SIZE[1]) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


def main(arguments: Sequence[str]) -> None:
    """Run ``taskscape predict``."""
    call(predict, arguments, "predict")
