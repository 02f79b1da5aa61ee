"""How long does a training step take: end to end, with adapters, with a frozen encoder, and with its features kept?

    python benchmarks/frozen.py --encoder vit_small_patch16_224 --json benchmarks/results/frozen.json

Uses random images with labels of 19 classes and depth, in a packed store that is created for it. The four variants take
the same batches, interleaved, so that other work on the machine affects all of them equally. A step is that of a run:
batch from the store, forward pass, losses, backward pass, optimizer. Results are added to the file.
"""

import argparse
import json
import tempfile
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import torch

from random_data import random_store
from taskscape.data import Packed, Store
from taskscape.distributed import launch
from taskscape.modalities.class_sets import CITYSCAPES_19
from taskscape.models import CONFIGS
from taskscape.models.layers.traits import traits
from taskscape.run_folder import RunFolder
from taskscape.runs import Experiment, assemble
from taskscape.tasks import Depth, SemanticSegmentation
from taskscape.training.optimization import AdamWConfig


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", default="vit_small_patch16_224")
    parser.add_argument("--network", default="deeplab-plain", choices=CONFIGS)
    parser.add_argument("--size", type=int, nargs=2, default=(224, 224))
    parser.add_argument("--output-stride", type=int, default=16)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--images", type=int, default=16, help="number of images in the store")
    parser.add_argument("--steps", type=int, default=7, help="steps of each kind; the median without the first counts")
    parser.add_argument("--precision", default="bf16", choices=["bf16", "fp32"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        row = measured(arguments, Path(folder))
    print(json.dumps(row, indent=1))
    if arguments.json:
        rows = json.loads(arguments.json.read_text()) if arguments.json.exists() else []
        key_fields = ("encoder", "network", "size", "device")
        rows = [old_row for old_row in rows if any(old_row[key] != row[key] for key in key_fields)] + [row]
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


def measured(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    path = random_store(folder / "store", tuple(arguments.size), {"train": arguments.images, "val": 2})
    settings: dict[str, Any] = {"encoder": arguments.encoder}
    if hasattr(CONFIGS[arguments.network](), "output_stride"):
        settings["output_stride"] = arguments.output_stride
    config: Any = CONFIGS[arguments.network]
    frozen = config(**settings, freeze="all")
    layers = "attention" if traits(arguments.encoder).is_plain else "convolutions"
    adapted = config(**settings, lora=8, lora_layers=layers)
    experiment = Experiment(
        network=config(**settings),
        tasks={"semseg": SemanticSegmentation(CITYSCAPES_19), "depth": Depth()},
        data=Packed(path),
        optimizer=AdamWConfig(),
        batch_size=arguments.batch_size,
        precision=arguments.precision,
        device=arguments.device,
        train_metrics=0.0,
    )
    fabric = launch(arguments.device)
    stores = {split: Store.open(path, split) for split in ("train", "val")}
    variants = {
        "end to end": experiment,
        "LoRA": replace(experiment, network=adapted),
        "frozen": replace(experiment, network=frozen),
        "features kept": replace(experiment, network=frozen, feature_cache=1e3),
    }
    runs = {}
    for name, variant in variants.items():
        runs[name] = assemble(variant.for_data(stores["train"]), stores, fabric, RunFolder(folder / name))
    features = runs["features kept"].features
    assert features is not None
    started = time.perf_counter()
    features.prepare(nullcontext())
    feature_seconds = time.perf_counter() - started

    seconds: dict[str, list[float]] = {name: [] for name in runs}
    epochs = {name: epoch_after_epoch(run.train_data) for name, run in runs.items()}
    for step in range(arguments.steps):
        for name, run in runs.items():
            wait(fabric.device)
            started = time.perf_counter()
            run.training_step(next(epochs[name]), step)
            wait(fabric.device)
            seconds[name].append(time.perf_counter() - started)
    steps = {name: median(times[1:]) for name, times in seconds.items()}
    count = len(stores["train"]) + len(stores["val"])
    trained_parameters = {name: trained(run.network) for name, run in runs.items()}
    return {
        "encoder": arguments.encoder,
        "network": arguments.network,
        "size": list(arguments.size),
        "batch size": arguments.batch_size,
        "precision": arguments.precision,
        "device": torch.cuda.get_device_name()
        if fabric.device.type == "cuda"
        else f"CPU, {torch.get_num_threads()} threads",
        "trained parameters of the encoder": trained_parameters,
        "milliseconds per step": {name: round(1000 * x, 1) for name, x in steps.items()},
        "times as fast": round(steps["end to end"] / steps["features kept"], 1),
        "milliseconds to compute features, per image": round(1000 * feature_seconds / count, 1),
        "kilobytes of features, per image": round(features.bytes / count / 1000, 1),
    }


def trained(network: Any) -> int:
    return sum(p.numel() for p in network.encoder.parameters() if p.requires_grad)


def epoch_after_epoch(loader: Any) -> Any:
    for number in range(10**6):
        yield from loader.epoch(number)


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
