"""How fast is a training step, by precision and memory order? Ratios to float32 with channels first, in one run.

Times whole steps (forward, losses, backward, optimiser) of ``--network`` on random images. Prints a Markdown table.
"""

import argparse
import itertools
import statistics
import time
from dataclasses import replace

import torch

from taskscape import models
from taskscape.batch import Target
from taskscape.modalities.class_sets import CITYSCAPES_19
from taskscape.models import NetworkConfig
from taskscape.objectives.supervised import Supervised
from taskscape.runs.run import environment
from taskscape.tasks import Depth, SemanticSegmentation, Task
from taskscape.training.loop import autocast

TASKS: dict[str, Task] = {"semseg": SemanticSegmentation(CITYSCAPES_19), "depth": Depth()}


def seconds_per_step(
    options: NetworkConfig, size: tuple[int, int, int], bf16: bool, channels_last: bool, device: torch.device
) -> float:
    """Return the median over ten steps of a batch of (B, H, W)."""
    batch, height, width = size
    torch.manual_seed(0)
    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    network = options.build({name: task.channels for name, task in TASKS.items()})
    network = network.to(device, memory_format=memory_format)
    optimizer = torch.optim.AdamW(network.parameters())
    image = torch.rand(batch, 3, height, width, device=device).contiguous(memory_format=memory_format)
    everywhere = torch.ones(batch, height, width, dtype=torch.bool, device=device)
    targets = {
        "semseg": Target(torch.randint(0, 19, (batch, height, width), device=device), everywhere),
        "depth": Target(torch.rand(batch, 1, height, width, device=device) * 50 + 1, everywhere),
    }
    times = []
    for step in range(13):
        started = time.perf_counter()
        with autocast(device, "bf16" if bf16 else "fp32"):
            outputs = network(image)
        losses = Supervised()(TASKS, outputs.final, outputs.auxiliary, targets)
        optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        if step >= 3:
            times.append(time.perf_counter() - started)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="deeplab-joint", choices=models.NAMES)
    parser.add_argument("--encoder", default="resnet18")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--size", type=int, nargs=2, default=(64, 128), metavar=("H", "W"))
    arguments = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    options = models.OPTIONS[arguments.network]()
    if isinstance(options, models.EncoderConfig):
        options = replace(options, encoder=arguments.encoder)
    size = (arguments.batch, *arguments.size)
    print(f"{arguments.network}, {arguments.encoder}, batch {size[0]} of {size[1]}×{size[2]}, {environment(device)}\n")
    print("| precision | memory order | images/s | ratio |\n|---|---|---:|---:|")
    first = 0.0
    for bf16, channels_last in itertools.product((False, True), (False, True)):
        seconds = seconds_per_step(options, size, bf16, channels_last, device)
        first = first or seconds
        order = "channels last" if channels_last else "channels first"
        print(f"| {'bf16' if bf16 else 'fp32'} | {order} | {size[0] / seconds:.1f} | {first / seconds:.2f} |")


if __name__ == "__main__":
    main()
