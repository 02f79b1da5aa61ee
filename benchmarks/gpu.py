"""Checks that need a GPU: gradients equal to a CPU's, all weightings, graphs, compilation, divergence, runs.

    python benchmarks/gpu.py --json benchmarks/results/gpu_h100.json

takes about five minutes on an H100, including the rendering of streets; ``--only`` selects checks, whose results are
added to the file. Exits with 1 if a check fails.
"""

import argparse
import csv
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from taskscape import models, recipes, runs, weighting
from taskscape.batch import Batch, Target
from taskscape.data import Streets
from taskscape.errors import TrainingError
from taskscape.modalities.class_sets import CITYSCAPES_19
from taskscape.models import Network
from taskscape.objectives import Supervised
from taskscape.run_folder import RunFolder
from taskscape.tasks import Depth, SemanticSegmentation, SurfaceNormals, Task
from taskscape.training.optimization import AdamWConfig, parameter_groups
from taskscape.training.step import TrainingStep
from taskscape.weighting.gradients import GradientConfig

TASKS: dict[str, Task] = {"semseg": SemanticSegmentation(CITYSCAPES_19), "depth": Depth(), "normals": SurfaceNormals()}
CHANNELS = {name: task.channels for name, task in TASKS.items()}
GPU = torch.device("cuda")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", type=Path)
    parser.add_argument("--epochs", type=int, default=8, help="epochs of the run on streets")
    parser.add_argument("--only", nargs="+", metavar="CHECK")
    arguments = parser.parse_args()
    results: dict[str, Any] = {"gpu": torch.cuda.get_device_name(), "torch": torch.__version__}
    if arguments.only and arguments.json and arguments.json.exists():
        results = json.loads(arguments.json.read_text()) | results
    checks: list[tuple[str, Callable[[], Any]]] = [
        ("gradients", gradients),
        ("weightings", weightings),
        ("captured", captured),
        ("compiled", compiled),
        ("not_finite", not_finite),
        ("run", lambda: run(arguments.epochs)),
        ("ladder", ladder),
    ]
    failed = False
    for name, check in checks:
        if arguments.only and name not in arguments.only:
            continue
        started = time.perf_counter()
        try:
            results[name] = check()
        except Exception as error:  # continue with the other checks
            results[name], failed = {"failed": f"{type(error).__name__}: {error}"}, True
        print(f"{name} ({time.perf_counter() - started:.0f} s): {json.dumps(results[name])}", flush=True)
        if arguments.json:
            arguments.json.write_text(json.dumps(results, indent=1) + "\n")
    sys.exit(failed)


def batch(images: int, size: tuple[int, int], device: torch.device, dtype: torch.dtype = torch.float32) -> Batch:
    """Return random images and labels, the same on every device."""
    generator = torch.Generator().manual_seed(0)
    shape = (images, *size)
    valid = torch.rand(shape, generator=generator) < 0.8
    normals = torch.nn.functional.normalize(torch.randn(images, 3, *size, generator=generator), dim=1)
    values = {
        "semseg": torch.randint(0, 19, shape, generator=generator),
        "depth": torch.rand(images, 1, *size, generator=generator) * 50 + 2,
        "normals": normals,
    }
    image = torch.rand(images, 3, *size, generator=generator).to(device, dtype)
    image = image.contiguous(memory_format=torch.channels_last)
    targets = {
        name: Target((value.to(dtype) if value.is_floating_point() else value).to(device), valid.to(device))
        for name, value in values.items()
    }
    return Batch(image, targets, torch.arange(images, device=device))


def build(name: str, device: torch.device, **options: Any) -> Network:
    torch.manual_seed(0)
    network = models.build(name, CHANNELS, **options).to(device).to(memory_format=torch.channels_last)
    return network


def training_step(network: Network, method: weighting.WeightingConfig, **options: Any) -> TrainingStep:
    device = next(network.parameters()).device
    balance = method.build(tuple(TASKS), seed=0).to(device)
    optimizer = AdamWConfig(lr=1e-4).build(parameter_groups(network, balance))
    return TrainingStep(network, TASKS, Supervised(), balance, optimizer, **options)


def relative(a: Tensor, b: Tensor) -> float:
    return float((a.cpu().double() - b.cpu().double()).norm() / b.cpu().double().norm().clamp(min=1e-300))


def gradients() -> dict[str, float]:
    """Return the largest relative difference of the summed losses' gradient from the CPU's, in float64."""
    differences = {}
    for name in ("deeplab-joint", "deeplab-distill-se", "segnet-mtan", "xtask", "resnet-mtan", "segnet-cross-stitch"):
        options: dict[str, Any] = {"encoder": "resnet18"} if "segnet" not in name else {"widths": (16, 32, 32)}
        if name == "xtask":
            options["class_tasks"] = ("semseg",)
        results = []
        for device in (torch.device("cpu"), GPU):
            network = build(name, device, **options).double().eval()
            data = batch(2, (64, 96), device, torch.float64)
            outputs = network(data.image)
            losses = Supervised()(TASKS, outputs.final, outputs.auxiliary, data.targets)
            torch.stack(list(losses.values())).sum().backward()
            results.append([p.grad for p in network.parameters() if p.grad is not None])
        differences[name] = max(relative(gpu, cpu) for cpu, gpu in zip(*results, strict=True))
        if not differences[name] < 1e-8:
            raise AssertionError(f"{name}: the gradient differs by {differences[name]:.1e} from that of the CPU")
    return differences


def weightings() -> dict[str, float]:
    """Return the relative difference of weights from the CPU's after three steps of every method, in float32."""
    differences = {}
    for name, kind in weighting.CONFIGS.items():
        for mode in ("parameters", "features") if issubclass(kind, GradientConfig) else ("",):
            method = kind(**({"mode": mode} if mode else {}))
            try:
                method.build(tuple(TASKS))
            except ValueError:
                continue  # its solver is not installed
            final_weights = []
            for device in (torch.device("cpu"), GPU):
                network = build("deeplab-branched", device, encoder="resnet10t", output_stride=32)
                step = training_step(network, method)
                data = batch(2, (48, 64), device)
                for index in range(3):
                    step(data, index)
                final_weights.append(torch.cat([p.detach().flatten().cpu() for p in network.parameters()]))
            key = f"{name} {mode}".strip()
            differences[key] = relative(final_weights[1], final_weights[0])
            if not (math.isfinite(differences[key]) and differences[key] < 0.02):
                raise AssertionError(f"{key}: the weights differ by {differences[key]:.1e} from those of the CPU")
    return differences


def compiled() -> dict[str, float]:
    """Return the last losses, eager and compiled, for methods with one and with several passes through the graph."""
    last_losses = {}
    for name, method in (
        ("fixed", weighting.FixedConfig()),
        ("pcgrad", weighting.PCGradConfig()),
        ("gradnorm", weighting.GradNormConfig()),
    ):
        losses = []
        for is_compiled in (False, True):
            network = build("deeplab-joint", GPU, encoder="resnet18")
            step = training_step(network, method, precision="bf16", compile=is_compiled)
            data = batch(4, (128, 256), GPU)
            result = [step(data, index) for index in range(5)][-1]
            losses.append(sum(float(loss) for loss in result.losses.values()))
        last_losses[f"{name} eager"], last_losses[f"{name} compiled"] = losses
        if not abs(losses[1] - losses[0]) < 0.05 * abs(losses[0]):
            raise AssertionError(f"{name}: compiled {losses[1]:.4f}, eager {losses[0]:.4f}")
    return last_losses


def narrow(name: str) -> dict[str, Any]:
    """Return the options for a small network of this name."""
    options: dict[str, Any] = {
        "wide_tasks": ("semseg",),
        "widths": (16, 32, 32),
        "class_tasks": ("semseg",),
        "encoder": "test_vit" if name == "dpt" else "resnet18",
    }
    return {
        field.name: options[field.name] for field in fields(cast(Any, models.CONFIGS[name])) if field.name in options
    }


def captured() -> dict[str, Any]:
    """Return the relative difference of the last losses of eight steps with CUDA graphs from eight without.

    For every network, in a narrow version, and every method that can be captured. The second number is the difference
    of two runs without graphs, which is not zero since a GPU sums gradients in no fixed order.
    """
    differences: dict[str, Any] = {}
    cases: list[tuple[str, str, weighting.WeightingConfig]] = [
        (f"network {name}", name, weighting.FixedConfig()) for name in models.CONFIGS
    ]
    cases += [
        (f"weighting {name}", "deeplab-joint", kind())
        for name, kind in weighting.CONFIGS.items()
        if kind().build(tuple(TASKS)).capturable
    ]
    for case, name, method in cases:
        losses = []
        for graphs in (False, True, False):
            network = build(name, GPU, **narrow(name))
            step = training_step(network, method, precision="bf16", seed=0, cuda_graphs=graphs)
            results = [step(batch(4, (64, 96), GPU), index).losses for index in range(8)]
            losses.append(torch.stack(list(results[-1].values())))
            if step.captured is not None and step.captured.refusal is not None:
                differences[case] = {"refused": step.captured.refusal}
                break
        else:
            plain, graph, repeated = losses
            differences[case] = [float((x / plain - 1).abs().max()) for x in (graph, repeated)]
    if failed := [case for case, value in differences.items() if isinstance(value, dict) or not value[0] < 0.05]:
        raise AssertionError(f"{', '.join(failed)}: {json.dumps(differences)}")
    return differences


def not_finite() -> dict[str, str]:
    """Diverge on purpose: the run must end with an error, and must not save anything that is not finite."""
    experiment = replace(
        recipes.joint(),
        data=Streets(train=64, val=16, size=(32, 64), samples=1),
        optimizer=AdamWConfig(lr=1e12),
        epochs=3,
    )
    with tempfile.TemporaryDirectory() as folder:
        try:
            runs.train(experiment, Path(folder) / "run", quiet=True)
        except TrainingError as error:
            message = str(error)
        else:
            raise AssertionError("a learning rate of 1e12 ended without an error")
        checkpoint = RunFolder(Path(folder) / "run").checkpoint
        if checkpoint.exists():
            network = torch.load(checkpoint, map_location="cpu", weights_only=True)["network"]
            if not all(bool(torch.isfinite(x).all()) for x in network.values()):
                raise AssertionError("the checkpoint holds numbers that are not finite")
    return {"message": message}


def run(epochs: int) -> dict[str, Any]:
    """Train three tasks on streets in bf16, with and without CUDA graphs; evaluate, and predict an image."""
    import taskscape

    experiment = replace(recipes.three_tasks(), epochs=epochs, data=Streets(train=1600, val=200, size=(64, 128)))
    started = time.perf_counter()
    experiment.data.open()
    results: dict[str, Any] = {"seconds of rendering": time.perf_counter() - started}
    for graphs in (True, False):
        with tempfile.TemporaryDirectory() as folder:
            result = taskscape.train(replace(experiment, cuda_graphs=graphs), Path(folder) / "run", quiet=True)
            tta = taskscape.evaluate(Path(folder) / "run", tta=True, quiet=True)
            image = np.random.default_rng(0).integers(0, 256, (70, 90, 3), np.uint8)
            prediction = taskscape.load(Path(folder) / "run").predict(image)
            epoch_seconds = seconds_of_epochs(Path(folder) / "run")
        if prediction["depth"].shape != (70, 90):
            raise AssertionError(f"the predicted depth is {prediction['depth'].shape}")
        leading = {name: result.metrics[name] for name, spec in result.specs.items() if spec.leads}
        results["with CUDA graphs" if graphs else "without"] = {
            **leading,
            **{f"{name} tta": tta.metrics[name] for name in leading},
            "seconds of training": result.cost["seconds"],
            "seconds of the last epoch": epoch_seconds[-1],
        }
    return results


def seconds_of_epochs(run: Path) -> list[float]:
    """Return the time of each epoch of a run, including its validation."""
    with RunFolder(run).metrics.open() as file:
        ends = [float(row["seconds"]) for row in csv.DictReader(file)]
    return [end - start for start, end in pairwise([0.0, *ends])]


def ladder() -> dict[str, Any]:
    """Train the last rung of the ladder for three epochs of 1,600 streets, and extrapolate to 24 epochs of 20,000.

    This includes rendering, reading, augmentation, validation and everything else in a run except metrics of training
    images. The published batch size is 4.
    """
    images = 1600
    data = Streets(train=images, val=200, size=(256, 512))
    experiment = replace(recipes.ladder.rung10(), data=data, epochs=3, train_metrics=0.0)
    experiment = replace(experiment, network=experiment.network.from_scratch())
    started = time.perf_counter()
    data.open()
    rendering = (time.perf_counter() - started) / (images + data.val)
    results: dict[str, Any] = {"seconds of rendering an image": rendering}
    for count in (4, 32):
        with tempfile.TemporaryDirectory() as folder:
            runs.train(replace(experiment, batch_size=count), Path(folder) / "run", quiet=True)
            epoch = seconds_of_epochs(Path(folder) / "run")[-1]
        minutes = (25_000 * rendering + 24 * 20_000 / images * epoch) / 60
        results[f"batches of {count}"] = {"seconds of the last epoch": epoch, "minutes of all at full scale": minutes}
    return results


if __name__ == "__main__":
    main()
