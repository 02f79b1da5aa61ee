"""What does balancing cost? ``weighting.py --network deeplab-branched --option encoder=resnet18`` answers.

Times whole training steps (forward, losses, backward, optimiser, and what a method does after the step) of every
weighting on the same network with random images and labels, and compares them and the peak of memory with the plain
sum's. Every method runs in a process of its own, so that none inherits another's memory. Prints a Markdown table, and
writes the figures and their circumstances to ``--out`` as JSON. Methods that the network does not admit, or whose
solver is not installed, are listed below the table.

Memory is that of tensors on a GPU, and on a CPU (Linux) what the process grew by at most while it stepped.
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
from torch import Tensor

from taskscape import models
from taskscape.batch import Target
from taskscape.objectives.consistency import CrossTaskConsistency
from taskscape.modalities.class_sets import CITYSCAPES_19
from taskscape.objectives.supervised import Objective, Supervised
from taskscape.tasks import Depth, SemanticSegmentation, SurfaceNormals, Task
from taskscape.weighting import OPTIONS, Fixed, Shared, WeightingConfig

TASKS: dict[str, Task] = {task.name: task for task in (SemanticSegmentation(CITYSCAPES_19), Depth(), SurfaceNormals())}
SUM = "fixed"
OBJECTIVES: dict[str, Objective] = {of.name: of for of in (Supervised(), CrossTaskConsistency())}


@dataclass(frozen=True)
class Setting:
    """What is the same for all methods."""

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
    """What a step costs: the median of the steps' seconds, and the peak of memory."""

    seconds: float
    mebibytes: float


def methods() -> dict[str, WeightingConfig]:
    """Every method, in both modes where it has two."""
    found: dict[str, WeightingConfig] = {}
    for name, options in OPTIONS.items():
        modes = ("parameters", "features") if "mode" in options.__dataclass_fields__ else ()
        found |= {f"{name}, {mode}": options(mode=mode) for mode in modes} or {name: options()}
    return found


def images(setting: Setting) -> tuple[Tensor, dict[str, Target]]:
    """Random images and labels, of which nine in ten are valid."""
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
    return torch.rand(b, 3, h, w).to(setting.device), targets


def cost(setting: Setting, options: WeightingConfig) -> Cost | str:
    """Train a few steps and return what one costs, or why it cannot be."""
    torch.set_num_threads(setting.threads)
    torch.manual_seed(0)
    tasks = {name: TASKS[name] for name in setting.tasks}
    network = models.build(setting.network, {n: task.channels for n, task in tasks.items()}, **setting.options)
    network.to(setting.device, memory_format=torch.channels_last)
    image, targets = images(setting)
    image = image.contiguous(memory_format=torch.channels_last)
    parameters, last = network.shared_parameters(), network.last_shared_parameters()
    in_common = {id(p) for p in parameters}
    own = tuple(p for p in network.parameters() if p.requires_grad and id(p) not in in_common)

    def losses_and_features() -> tuple[dict[str, Tensor], tuple[Tensor, ...]]:
        with torch.autocast(torch.device(setting.device).type, torch.bfloat16, enabled=setting.bf16):
            outputs = network(image)
        return OBJECTIVES[setting.objective](tasks, outputs.final, outputs.auxiliary, targets), outputs.shared

    try:
        weighting = options.build(setting.tasks).to(setting.device)
        weighting.check(Shared(parameters, losses_and_features()[1], last, own), compiled=False)
    except ValueError as error:
        return str(error)
    learnt = [p for p in weighting.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD([*network.parameters(), *learnt], 1e-4, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        losses, features = losses_and_features()
        weighting.backward(losses, Shared(parameters, features, last, own))
        optimizer.step()
        with torch.no_grad():
            weighting.after_step(lambda: losses_and_features()[0])

    on_gpu = setting.device.startswith("cuda")
    before = _resident()
    for _ in range(setting.warmup):
        step()
    seconds = []
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    for _ in range(setting.steps):
        started = time.perf_counter()
        step()
        if on_gpu:
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    peak = torch.cuda.max_memory_allocated() / 2**20 if on_gpu else _peak() - before
    return Cost(statistics.median(seconds), peak)


def _resident() -> float:
    """Memory that the process has now, in MiB; the peak starts anew."""
    Path("/proc/self/clear_refs").write_text("5")
    found = re.search(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


def _peak() -> float:
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    return (int(found[1]) if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / 1024


def measure(setting: Setting, chosen: dict[str, WeightingConfig]) -> dict[str, Cost | str]:
    """Measure each method in a process of its own, one after the other."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        running = {name: pool.submit(cost, setting, options) for name, options in chosen.items()}
        return {name: future.result() for name, future in running.items()}


def table(costs: dict[str, Cost | str]) -> str:
    """Render the costs as Markdown, relative to the plain sum's."""
    plain = costs[SUM]
    assert isinstance(plain, Cost), plain
    lines = ["| weighting | ms per step | relative time | peak MiB | relative memory |", "|---|--:|--:|--:|--:|"]
    for name, of in costs.items():
        if isinstance(of, Cost):
            relative = f"{of.seconds / plain.seconds:.2f} | {of.mebibytes:.0f} | {of.mebibytes / plain.mebibytes:.2f}"
            lines.append(f"| {name} | {1000 * of.seconds:.1f} | {relative} |")
    missing = [f"- {name}: {why}" for name, why in costs.items() if isinstance(why, str)]
    return "\n".join([*lines, "", *missing])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="deeplab-branched", choices=models.NAMES)
    parser.add_argument(
        "--option", nargs="*", default=[], metavar="FIELD=VALUE", help="of the network: encoder=resnet18"
    )
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=TASKS)
    parser.add_argument("--objective", default="supervised", choices=OBJECTIVES)
    parser.add_argument("--methods", nargs="+", help="such as dwa pcgrad; all by default")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--size", nargs=2, type=int, default=[128, 256], metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--warmup", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--out", type=Path, help="a JSON file")
    given = parser.parse_args()
    setting = Setting(
        given.network, dict(pair.split("=", 1) for pair in given.option), tuple(given.tasks), given.objective,
        given.batch, *given.size, given.bf16, given.device, given.threads, given.warmup, given.steps,
    )  # fmt: skip
    wanted = {name: o for name, o in methods().items() if not given.methods or o.name in given.methods}
    costs = measure(setting, {SUM: Fixed(), **wanted})
    print(table(costs))
    if given.out is not None:
        facts = {"torch": torch.__version__, "machine": platform.processor() or platform.machine()}
        rows = {name: of.__dict__ if isinstance(of, Cost) else {"impossible": of} for name, of in costs.items()}
        given.out.write_text(json.dumps({"setting": setting.__dict__, "facts": facts, "costs": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
