"""How fast is a training step, by precision and memory format? Ratios to float32 with channels first, in one process.

Times whole steps (``taskscape.training.step``) of ``--network`` on random images and labels. Prints a Markdown table.
"""

import argparse
import itertools
import statistics
import time
from dataclasses import replace

import torch

from taskscape import models
from taskscape.batch import Batch, Target
from taskscape.modalities.class_sets import CITYSCAPES_19
from taskscape.models import NetworkConfig
from taskscape.objectives import Supervised
from taskscape.runs import environment
from taskscape.tasks import Depth, SemanticSegmentation, Task
from taskscape.training.optimization import AdamWConfig, parameter_groups
from taskscape.training.precision import Precision
from taskscape.training.step import TrainingStep
from taskscape.weighting import FixedConfig

TASKS: dict[str, Task] = {"semseg": SemanticSegmentation(CITYSCAPES_19), "depth": Depth()}
WARMUP, STEPS = 3, 10


def seconds_per_step(
    config: NetworkConfig,
    size: tuple[int, int, int],
    precision: Precision,
    memory_format: torch.memory_format,
    device: torch.device,
) -> float:
    """Return the median time of ``STEPS`` steps on a batch of (B, H, W)."""
    torch.manual_seed(0)
    network = config.for_tasks(TASKS).build({name: task.channels for name, task in TASKS.items()})
    network = network.to(device).to(memory_format=memory_format)
    weighting = FixedConfig().build(tuple(TASKS))
    optimizer = AdamWConfig().build(parameter_groups(network, weighting))
    step = TrainingStep(network, TASKS, Supervised(), weighting, optimizer, precision=precision)
    batch = random_batch(size, memory_format, device)
    times = []
    for index in range(WARMUP + STEPS):
        started = time.perf_counter()
        step(batch, index)
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return statistics.median(times[WARMUP:])


def random_batch(size: tuple[int, int, int], memory_format: torch.memory_format, device: torch.device) -> Batch:
    """Return a batch of (B, H, W) with a label at every pixel."""
    images, height, width = size
    everywhere = torch.ones(size, dtype=torch.bool, device=device)
    targets = {
        "semseg": Target(torch.randint(0, len(CITYSCAPES_19), size, device=device), everywhere),
        "depth": Target(torch.rand(images, 1, height, width, device=device) * 50 + 1, everywhere),
    }
    image = torch.rand(images, 3, height, width, device=device).contiguous(memory_format=memory_format)
    return Batch(image, targets, torch.arange(images))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="deeplab-joint", choices=models.NAMES)
    parser.add_argument("--encoder", default="resnet18")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--size", type=int, nargs=2, default=(64, 128), metavar=("H", "W"))
    arguments = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    config = models.CONFIGS[arguments.network]()
    if isinstance(config, models.EncoderConfig):
        config = replace(config, encoder=arguments.encoder)
    size = (arguments.batch, *arguments.size)
    print(f"{arguments.network}, {arguments.encoder}, batch {size[0]} of {size[1]}×{size[2]}, {environment(device)}\n")
    print("| precision | memory format | images/s | ratio |\n|---|---|---:|---:|")
    first = 0.0
    precisions: tuple[Precision, ...] = ("fp32", "bf16")
    formats = {"channels first": torch.contiguous_format, "channels last": torch.channels_last}
    for precision, (name, memory_format) in itertools.product(precisions, formats.items()):
        seconds = seconds_per_step(config, size, precision, memory_format, device)
        first = first or seconds
        print(f"| {precision} | {name} | {size[0] / seconds:.1f} | {first / seconds:.2f} |")


if __name__ == "__main__":
    main()
