"""What does balancing cost? ``weighting.py --network deeplab-branched --option encoder=resnet18`` measures it.

Times complete training steps (``taskscape.training.step``) of every weighting on the same network with random images
and labels, and compares time and peak memory with those of the plain sum. Every method runs in its own process, so that
none inherits another's memory. Prints a Markdown table, and writes the numbers and the environment to ``--out`` as
JSON. Methods that do not support the network, or whose solver is not installed, are listed below the table.

With one thread of a CPU, its processor time is measured, which other load on the machine affects little. Memory is
that of tensors on a GPU, and on a CPU (Linux) the peak growth of the process during the steps.
"""

import argparse
import json
import platform
import re
import resource
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

import tables
from taskscape import models
from taskscape.batch import Batch, Target
from taskscape.modalities.class_sets import CITYSCAPES_19
from taskscape.objectives import OBJECTIVES
from taskscape.tasks import Depth, SemanticSegmentation, SurfaceNormals, Task
from taskscape.training.optimization import SGDConfig, parameter_groups
from taskscape.training.precision import Precision
from taskscape.training.step import TrainingStep
from taskscape.weighting import CONFIGS, FixedConfig, GradientConfig, WeightingConfig

TASKS: dict[str, Task] = {
    "semseg": SemanticSegmentation(CITYSCAPES_19),
    "depth": Depth(),
    "normals": SurfaceNormals(),
}
SUM = "fixed"
OBJECTIVE_NAMES = [objective.name for objective in OBJECTIVES]


@dataclass(frozen=True)
class Setting:
    """The settings that all methods share."""

    network: str
    options: dict[str, Any]
    tasks: tuple[str, ...]
    objective: str
    batch: int
    height: int
    width: int
    bf16: bool
    device: str
    threads: int
    warmup: int
    steps: int


@dataclass(frozen=True)
class Cost:
    """The cost of a step: the median time in seconds, and the peak memory."""

    seconds: float
    mebibytes: float


def methods() -> dict[str, WeightingConfig]:
    """Return all methods, in both modes if a method has two."""
    configs: dict[str, WeightingConfig] = {}
    for name, config in CONFIGS.items():
        if issubclass(config, GradientConfig):
            configs |= {f"{name}, {mode}": config(mode=mode) for mode in ("parameters", "features")}
        else:
            configs[name] = config()
    return configs


def random_batch(setting: Setting) -> Batch:
    """Return random images and labels, of which nine in ten are valid."""
    b, h, w = setting.batch, setting.height, setting.width
    values = {
        "semseg": torch.randint(0, 19, (b, h, w)),
        "depth": torch.rand(b, 1, h, w) * 50 + 1,
        "normals": torch.nn.functional.normalize(torch.randn(b, 3, h, w), dim=1),
    }
    targets = {
        task: Target(values[task].to(setting.device), (torch.rand(b, h, w) < 0.9).to(setting.device))
        for task in setting.tasks
    }
    image = torch.rand(b, 3, h, w).to(setting.device, memory_format=torch.channels_last)
    return Batch(image, targets, torch.arange(b))


def cost(setting: Setting, config: WeightingConfig) -> Cost | str:
    """Train a few steps and return the cost of one, or why the method is not possible."""
    torch.set_num_threads(setting.threads)
    torch.manual_seed(0)
    tasks = {name: TASKS[name] for name in setting.tasks}
    network = models.build(setting.network, {n: task.channels for n, task in tasks.items()}, **setting.options)
    network.to(setting.device).to(memory_format=torch.channels_last)
    try:
        weighting = config.build(setting.tasks).to(setting.device)
        weighting.check(
            shared_parameters=network.has_shared_parameters,
            shared_features=network.has_shared_features,
            compiled=False,
        )
    except ValueError as error:
        return str(error)
    objective = next(objective() for objective in OBJECTIVES if objective.name == setting.objective)
    optimizer = SGDConfig(lr=1e-4).build(parameter_groups(network, weighting))
    precision: Precision = "bf16" if setting.bf16 else "fp32"
    step = TrainingStep(network, tasks, objective, weighting, optimizer, precision=precision)
    batch = random_batch(setting)

    on_gpu = setting.device.startswith("cuda")
    clock = time.thread_time if setting.threads == 1 and not on_gpu else time.perf_counter
    memory_before = _resident()
    for index in range(setting.warmup):
        step(batch, index)
    seconds = []
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    for index in range(setting.steps):
        started = clock()
        step(batch, setting.warmup + index)
        if on_gpu:
            torch.cuda.synchronize()
        seconds.append(clock() - started)
    peak = torch.cuda.max_memory_allocated() / 2**20 if on_gpu else _peak() - memory_before
    return Cost(statistics.median(seconds), peak)


def _resident() -> float:
    """Return the current memory of the process in MiB, and reset its peak."""
    Path("/proc/self/clear_refs").write_text("5")
    match = re.search(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text())
    assert match is not None
    return int(match[1]) / 1024


def _peak() -> float:
    match = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    return (int(match[1]) if match else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / 1024


def measure(setting: Setting, chosen: dict[str, WeightingConfig]) -> dict[str, Cost | str]:
    """Measure each method in its own process, one after the other."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        running = {name: pool.submit(cost, setting, config) for name, config in chosen.items()}
        return {name: future.result() for name, future in running.items()}


def table(costs: dict[str, Cost | str]) -> str:
    """Return the costs as a Markdown table, relative to the plain sum."""
    missing = [f"- {name}: {why}" for name, why in costs.items() if isinstance(why, str)]
    measured = {name: result.__dict__ for name, result in costs.items() if isinstance(result, Cost)}
    return "\n".join([tables.costs(measured), "", *missing])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="deeplab-branched", choices=models.NAMES)
    parser.add_argument(
        "--option", nargs="*", default=[], metavar="FIELD=VALUE", help="option of the network, such as encoder=resnet18"
    )
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=TASKS)
    parser.add_argument("--objective", default="supervised", choices=OBJECTIVE_NAMES)
    parser.add_argument("--methods", nargs="+", help="methods, such as dwa pcgrad; by default all")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--size", nargs=2, type=int, default=[128, 256], metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--warmup", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    setting = Setting(
        arguments.network,
        dict(pair.split("=", 1) for pair in arguments.option),
        tuple(arguments.tasks),
        arguments.objective,
        arguments.batch,
        arguments.size[0],
        arguments.size[1],
        arguments.bf16,
        arguments.device,
        arguments.threads,
        arguments.warmup,
        arguments.steps,
    )
    chosen = {name: o for name, o in methods().items() if not arguments.methods or o.name in arguments.methods}
    costs = measure(setting, {SUM: FixedConfig(), **chosen})
    print(table(costs))
    if arguments.out is not None:
        facts = {"torch": torch.__version__, "machine": platform.processor() or platform.machine()}
        rows = {
            name: result.__dict__ if isinstance(result, Cost) else {"impossible": result}
            for name, result in costs.items()
        }
        arguments.out.write_text(
            json.dumps({"setting": setting.__dict__, "facts": facts, "costs": rows}, indent=2) + "\n"
        )


if __name__ == "__main__":
    main()
