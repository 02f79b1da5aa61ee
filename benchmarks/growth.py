"""How do the time and memory of a training step grow, and how much memory does the step of each network need?

    python benchmarks/growth.py memory
    python benchmarks/growth.py growth

``memory`` trains each network for two steps in its own process, on 4 and on 8 random images of 64x128 with segmentation
and depth, and records the peak memory of the process, which does not depend on other work of the machine. Networks that
are already in the result are not measured again.
``growth`` varies one property of deeplab-joint with a ResNet-18 at a time: the side length of images, the batch size,
the number of tasks, the size of the store from which a batch is read, and the number of processes that share a batch of
8 images. Exponents are least-squares slopes between logarithms: 1 means proportional. Times are processor time of one
thread, medians of interleaved steps; with several processes, wall-clock time of a step with one thread each, and the
memory of all processes together. They need a core each, so this part needs a quiet machine. ``--only`` measures one
part again.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from random_data import CPU, random_batch, random_store
from table import RESULTS
from taskscape import models, recipes
from taskscape.batch import Batch
from taskscape.bench.memory import memory
from taskscape.data import Store
from taskscape.distributed import all_reduce_sum, launch, rank, world_size
from taskscape.evaluation import seconds_of
from taskscape.machine import processor
from taskscape.modalities.class_sets import CITYSCAPES_19
from taskscape.runs import Experiment, environment
from taskscape.runs.build_step import build_step
from taskscape.runs.fastest import in_format_of, trial_step, with_way
from taskscape.tasks import Depth, SemanticSegmentation, SurfaceNormals
from taskscape.training.usage import Usage
from taskscape.training.ways import Way

WAY = Way("bf16", channels_last=True)
SIZES = ((64, 128), (96, 192), (128, 256))
BATCHES = (2, 4, 8)
IMAGES, SIZE = 4, (64, 128)
STORES = (100, 1_000, 10_000)
PROCESSES = (1, 2)
GLOBAL_BATCH = 8


def experiment_of(network: str, tasks: Sequence[str] = ("semseg", "depth")) -> Experiment:
    """Return the recipe of a network, with classes of streets."""
    experiment = recipes.read(network)
    recipe_tasks = dict(experiment.tasks) | {"semseg": SemanticSegmentation(CITYSCAPES_19)}
    available = {"depth": Depth(), "normals": SurfaceNormals()} | recipe_tasks
    chosen = {name: available[name] for name in tasks}
    return replace(experiment, tasks=chosen, network=experiment.network.for_tasks(chosen).from_scratch())


def of_networks(measured: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the memory of a step of all networks so far, beginning with the known ones."""
    for name in (name for name in models.NAMES if name not in measured):
        usage = memory(experiment_of(name), WAY, random_batch(IMAGES, SIZE))
        assert usage is not None
        measured = {**measured, name: {"peak": usage.peak, "per image": usage.per_image}}
        print(f"{name}: {usage.peak / 2**30:.2f} GiB, {usage.per_image / 2**20:.0f} MiB more an image", flush=True)
        yield measured


def exponent(points: Mapping[float, float]) -> float:
    """Return the slope of log(y) over log(x)."""
    x, y = (np.log(list(values)) for values in (points.keys(), points.values()))
    return float(np.polyfit(x, y, 1)[0])


def of_steps(title: str, cases: Mapping[float, tuple[Experiment, Batch]]) -> dict[str, Any]:
    """Return seconds and memory of a step in each case, and their exponents."""
    steps = {}
    for x, (experiment, batch) in cases.items():
        step, formatted_batch = trial_step(experiment, WAY, batch), in_format_of(WAY, batch)
        steps[str(x)] = lambda step=step, formatted_batch=formatted_batch: step(formatted_batch, 0)
    measured = seconds_of(steps, CPU, rounds=5, warm_up=1, at_most=60, clock=time.process_time)
    seconds = {float(x): value for x, value in measured.items()}
    peaks = {}
    for x, (experiment, batch) in cases.items():
        usage = memory(experiment, WAY, batch)
        assert usage is not None
        peaks[x] = usage.peak
    return of_points(title, seconds, peaks)


def of_points(title: str, seconds: Mapping[float, float], peaks: Mapping[float, float]) -> dict[str, Any]:
    """Return seconds and memory by the property's value, with their exponents."""
    result = {
        "seconds": dict(seconds),
        "peak": dict(peaks),
        "exponent of time": exponent(seconds),
        "exponent of memory": exponent(peaks),
    }
    print(title, result, flush=True)
    return result


def of_stores() -> dict[str, Any]:
    """Return seconds to read a batch of 8 in random order from stores of several sizes."""
    seconds = {}
    for count in STORES:
        with tempfile.TemporaryDirectory() as folder:
            store = Store.open(random_store(Path(folder) / "store", (64, 128), {"train": count}), "train")
            order = np.random.default_rng(0).permutation(count)[:160]
            started = time.process_time()
            for start in range(0, len(order), 8):
                store.gather(order[start : start + 8], ("semseg", "depth"), CPU)
            seconds[float(count)] = (time.process_time() - started) / (len(order) / 8)
    result = {"seconds": seconds, "exponent of time": exponent(seconds)}
    print("images of the store", result, flush=True)
    return result


def of_processes() -> dict[str, Any]:
    """Return seconds and memory of a step of a batch that several processes share, each with one thread.

    Each number of processes is launched three times, alternately; the shortest time counts.
    """
    runs: dict[float, list[dict[str, float]]] = {float(count): [] for count in PROCESSES}
    for _ in range(3):
        for count in PROCESSES:
            command = ["torch.distributed.run", "--standalone", f"--nproc-per-node={count}", __file__, "step"]
            environ = os.environ | {"OMP_NUM_THREADS": "1"}
            answer = subprocess.run(
                [sys.executable, "-m", *command], env=environ, check=True, capture_output=True, text=True
            )
            runs[float(count)].append(json.loads(answer.stdout.strip().splitlines()[-1]))
    seconds = {count: min(run["seconds"] for run in found) for count, found in runs.items()}
    return of_points("processes", seconds, {count: found[0]["peak"] for count, found in runs.items()})


def step_of_a_process() -> None:
    """Train on this process's part of a batch, as torchrun started it; the first prints seconds and memory."""
    fabric = launch("cpu")
    batch = in_format_of(WAY, random_batch(GLOBAL_BATCH // world_size(), SIZE))
    step = build_step(with_way(experiment_of("joint"), WAY), CPU, fabric=fabric)
    seconds = []
    for index in range(12):
        fabric.barrier()
        started = time.perf_counter()
        step(batch, index)
        seconds.append(time.perf_counter() - started)
    usage = torch.tensor(Usage(CPU).read()["memory/process"], dtype=torch.float64)
    peak = 2**20 * all_reduce_sum(usage).item()
    if rank() == 0:
        print(json.dumps({"seconds": statistics.median(seconds[2:]), "peak": peak}))


def growth() -> dict[str, Callable[[], dict[str, Any]]]:
    """Return what to measure for each property."""
    joint = experiment_of("joint")
    sides = {math.prod(size) / math.prod(SIZES[0]): (joint, random_batch(IMAGES, size)) for size in SIZES}
    batches = {float(count): (joint, random_batch(count, SIZE)) for count in BATCHES}
    names = ("semseg", "depth", "normals")
    tasks = {
        float(n): (experiment_of("deeplab-branched", names[:n]), random_batch(IMAGES, SIZE, names[:n]))
        for n in (1, 2, 3)
    }
    return {
        "pixels of an image": lambda: of_steps("pixels of an image", sides),
        "images of a batch": lambda: of_steps("images of a batch", batches),
        "tasks of deeplab-branched": lambda: of_steps("tasks of deeplab-branched", tasks),
        "images of the store": of_stores,
        "processes": of_processes,
    }


def of_growth(measured: Mapping[str, Any], only: str | None) -> Iterator[dict[str, Any]]:
    """Yield the results so far of all parts, or of one; other parts keep their previous results."""
    for name, measure in growth().items():
        if only in (None, name):
            measured = {**measured, name: measure()}
            yield dict(measured)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("memory", "growth", "step"), help="step is what torchrun starts")
    parser.add_argument("--only", help="part of growth to measure, such as processes")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.what == "step":
        step_of_a_process()
        return
    result = RESULTS / f"step_{arguments.what}.json"
    previous = json.loads(result.read_text())["found"] if result.exists() else {}
    conditions = environment(CPU) | {"processor": processor()}
    for measured in of_networks(previous) if arguments.what == "memory" else of_growth(previous, arguments.only):
        result.write_text(json.dumps({"environment": conditions, "found": measured}, indent=1) + "\n")


if __name__ == "__main__":
    main()
