"""How fast are training steps on an otherwise idle GPU: eager, compiled, as one CUDA graph, and the roof?

    python benchmarks/gpu_speed.py --json benchmarks/results/gpu_speed.json

A step is the forward pass, losses, backward pass and optimizer of ``TrainingStep`` in bf16 with channels last, on
random images and labels on the GPU. It is timed with CUDA events over many steps, so work of the host counts only if
the GPU has to wait for it. *As a graph* is the default of a run: the step is captured once and replayed. The roof is
the time of all convolutions and linear layers of the step alone (``taskscape.bench.roof``), each captured too.

Each network has its own process. All compile at the same time, for at most ``--patience`` seconds, and are then
measured one after the other. This takes about a minute and a half on an H100 with 16 cores.
"""

import argparse
import json
import multiprocessing.connection
import os
import signal
import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.synchronize import Barrier, Lock
from pathlib import Path
from threading import BrokenBarrierError
from typing import Any

import torch

from random_data import random_batch
from table import RESULTS
from taskscape import recipes
from taskscape.batch import Batch
from taskscape.bench.roof import roof
from taskscape.files import atomic_write
from taskscape.modalities.class_sets import CITYSCAPES_19
from taskscape.models import DeeplabJointConfig, SegnetMtanConfig
from taskscape.runs import Experiment
from taskscape.runs.build_step import build_step
from taskscape.tasks import Depth, SemanticSegmentation, SurfaceNormals
from taskscape.training.captured import WARM_UP

RESULT = RESULTS / "gpu_speed.json"
MEBIBYTE = 2.0**20


@dataclass(frozen=True)
class Case:
    """A network with its batch size and image size."""

    recipe: Callable[[], Experiment]
    images: int
    size: tuple[int, int]

    def experiment(self) -> Experiment:
        """Return the experiment in bf16, from random weights and with all classes set."""
        experiment = self.recipe()
        tasks = dict(experiment.tasks)
        semseg = tasks["semseg"]
        assert isinstance(semseg, SemanticSegmentation)
        if semseg.classes is None:
            tasks["semseg"] = replace(semseg, classes=CITYSCAPES_19)
        return replace(experiment, tasks=tasks, network=experiment.network.from_scratch(), precision="bf16")

    def batch(self, experiment: Experiment, device: torch.device) -> Batch:
        """Return random images and labels."""
        semseg = experiment.tasks["semseg"]
        assert isinstance(semseg, SemanticSegmentation) and semseg.classes is not None
        batch = random_batch(self.images, self.size, tuple(experiment.tasks), semseg.classes, device)
        return batch._replace(image=batch.image.contiguous(memory_format=torch.channels_last))


def _joint() -> Experiment:
    tasks = {"semseg": SemanticSegmentation(CITYSCAPES_19), "depth": Depth()}
    return Experiment(network=DeeplabJointConfig(encoder="resnet34"), tasks=tasks)


def _mtan() -> Experiment:
    tasks = {"semseg": SemanticSegmentation(CITYSCAPES_19), "depth": Depth(), "normals": SurfaceNormals()}
    return Experiment(network=SegnetMtanConfig(), tasks=tasks)


CASES: Mapping[str, Case] = {
    "deeplab-joint, ResNet-34": Case(_joint, 16, (128, 256)),
    "ladder/rung10": Case(recipes.ladder.rung10, 4, (256, 256)),
    "ladder/rung10, batch 32": Case(recipes.ladder.rung10, 32, (256, 256)),
    "segnet-mtan, three tasks": Case(_mtan, 4, (128, 256)),
    "consistency/cityscapes_7": Case(recipes.consistency.cityscapes_7, 8, (128, 256)),
    "photographs/streets_small": Case(recipes.photographs.streets_small, 16, (240, 320)),
}


def captured(experiment: Experiment, device: torch.device, batch: Batch) -> Callable[[], object]:
    """Return a step that is replayed as a graph, as in a run. Raises ``RuntimeError`` if it cannot be captured."""
    step = build_step(replace(experiment, cuda_graphs=True), device)
    for index in range(WARM_UP + 1):
        step(batch, index)
    assert step.captured is not None
    if step.captured.refusal is not None:
        raise RuntimeError(step.captured.refusal)
    return lambda: step(batch, 0)


def measured(call: Callable[[], object], seconds: float = 0.5, times: int = 5) -> dict[str, float]:
    """Return the milliseconds of a call, as the median over series of many calls, and those of the host."""
    device_times, host_times = [], []
    count = 3
    for index in range(1 + times):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        began = time.perf_counter()
        start.record()
        for _ in range(count):
            call()
        end.record()
        host_ms = 1000 * (time.perf_counter() - began) / count
        torch.cuda.synchronize()
        device_ms = start.elapsed_time(end) / count
        if index:
            device_times.append(device_ms)
            host_times.append(host_ms)
        count = max(3, min(100, round(1000 * seconds / times / device_ms)))
    return {"ms": round(statistics.median(device_times), 3), "host_ms": round(statistics.median(host_times), 3)}


def attempt(results: dict[str, Any], name: str, make: Callable[[], dict[str, float]]) -> None:
    """Record a measurement, or why it failed."""
    try:
        results[name] = make()
    except Exception as error:  # continue with the rest
        results[name] = {"failed": f"{type(error).__name__}: {error}".splitlines()[0][:300]}


def measure(name: str, turn: Lock, ready: Barrier, patience: int, after: Path | None, pipe: Any) -> None:
    """Measure one network, in its own process."""
    device, case = torch.device("cuda"), CASES[name]
    experiment = case.experiment()
    batch = case.batch(experiment, device)
    result: dict[str, Any] = {"images": case.images, "size": list(case.size)}
    step = build_step(replace(experiment, cuda_graphs=False), device)
    result["parameters"] = sum(p.numel() for p in step.network.parameters())
    for index in range(2):
        step(batch, index)
    result["mebibytes"] = round(torch.cuda.max_memory_allocated() / MEBIBYTE)
    compiled = None
    signal.signal(signal.SIGALRM, _out_of_time)
    signal.alarm(patience)
    began = time.perf_counter()
    try:
        if not patience:
            raise TimeoutError("not tried")
        compiled = build_step(replace(experiment, compile=True, cuda_graphs=False), device)
        for index in range(3):
            compiled(batch, index)
        torch.cuda.synchronize()
        result["compilation_seconds"] = round(time.perf_counter() - began, 1)
    except Exception as error:
        result["compiled"] = {"failed": f"{type(error).__name__}: {error}".splitlines()[0][:300]}
        compiled = None
    signal.alarm(0)
    with suppress(BrokenBarrierError):
        ready.wait(180)
    while after is not None and not after.exists():
        time.sleep(0.1)
    with turn:
        attempt(result, "eager", lambda: measured(lambda: step(batch, 0)))
        torch.cuda.reset_peak_memory_stats()
        attempt(result, "graph", lambda: measured(captured(experiment, device, batch)))
        result["mebibytes_graph"] = round(torch.cuda.max_memory_reserved() / MEBIBYTE)
        if compiled is not None:
            compiled_step = compiled
            attempt(result, "compiled", lambda: measured(lambda: compiled_step(batch, 0)))
            in_graphs = replace(experiment, compile=True)
            attempt(result, "compiled_graph", lambda: measured(captured(in_graphs, device, batch)))
        network = build_step(experiment, device).network
        attempt(result, "roof", lambda: {"ms": round(1000 * roof(network, batch.image), 3)})
    pipe.send((name, result))


def _out_of_time(*_: object) -> None:
    raise TimeoutError("it took too long")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, default=RESULT)
    parser.add_argument("--patience", type=int, default=60, help="seconds for compilation")
    parser.add_argument("--compile", nargs="*", choices=CASES, metavar="NAME", help="compile only these")
    parser.add_argument(
        "--after", type=Path, metavar="FILE", help="compile immediately, and measure when this file exists"
    )
    parser.add_argument("--only", nargs="+", choices=CASES, metavar="NAME")
    arguments = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    names = arguments.only or list(CASES)
    turn, ready = context.Lock(), context.Barrier(len(names))
    os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", str(max(1, (os.cpu_count() or 1) // len(names))))
    results: dict[str, Any] = {"gpu": torch.cuda.get_device_name(), "torch": torch.__version__, "networks": {}}
    pipes: list[Any] = []
    processes = []
    for name in names:
        parent_end, child_end = context.Pipe()
        patience = arguments.patience if arguments.compile is None or name in arguments.compile else 0
        process = context.Process(
            target=measure, args=(name, turn, ready, patience, arguments.after, child_end), daemon=True
        )
        process.start()
        child_end.close()
        pipes.append(parent_end)
        processes.append(process)
    while pipes:
        ready_pipes: list[Any] = multiprocessing.connection.wait(pipes)
        for pipe in ready_pipes:
            pipes.remove(pipe)
            try:
                name, row = pipe.recv()
            except EOFError:  # its process ended with an error, which it printed
                continue
            results["networks"][name] = row
            print(name, json.dumps(row), flush=True)
            atomic_write(arguments.json, json.dumps(results, indent=1) + "\n")
    for process in processes:
        process.join()


if __name__ == "__main__":
    main()
