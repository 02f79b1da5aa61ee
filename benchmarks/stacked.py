"""How long does a step of several runs trained at once take, relative to a step of one run?

    python benchmarks/stacked.py --json benchmarks/results/stacked.json

Uses runs of one network that differ in their seeds, on random images with labels of 19 classes and depth in a packed
store that is created for it. A step is that of a run: batch from the store with flip, scale and color, forward pass,
losses, backward pass, optimizer. Steps of one run alone, of all runs one after the other, and of all as a stack
(``taskscape sweep --stack``) are interleaved, so that other work on the machine affects all of them equally; medians
are reported. ``--processor-time`` measures processor time, for a CPU with other work and one thread.

With ``--passes``, only the forward and backward passes of the networks are measured, with the mean of squares as loss.
``--seconds`` limits the total time, with all measurements up to then in the file; each case gets an equal part of the
remaining time, and one that fails is in the file with its error.

Without ``--passes``, also written: the largest relative difference of a loss from that of the run alone after three
steps, and whether the other runs stay finite if the weights of one are not.
"""

import argparse
import json
import math
import platform
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count, product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from random_data import random_store
from table import RESULTS
from taskscape.data import Augmentation, Packed
from taskscape.distributed import launch
from taskscape.evaluation import seconds_of
from taskscape.files import atomic_write
from taskscape.models import DeeplabJointConfig, NetworkConfig, Outputs, SegnetMtanConfig, SegnetSplitConfig
from taskscape.run_folder import RunFolder
from taskscape.runs import Experiment, assemble
from taskscape.tasks import Depth, SemanticSegmentation
from taskscape.training.loop import NextStep, Trainer
from taskscape.training.networks_as_one import Networks
from taskscape.training.optimization import AdamWConfig
from taskscape.training.precision import autocast
from taskscape.training.stack import Stack
from taskscape.training.together import batch_of
from taskscape.weighting import FixedConfig, PCGradConfig, WeightingConfig

RESULT = RESULTS / "stacked.json"
IMAGES = 64
MEBIBYTE = 2.0**20


@dataclass(frozen=True)
class Case:
    """A network with its batch size and image size."""

    network: NetworkConfig
    size: tuple[int, int]
    images: int = 8
    weighting: WeightingConfig = FixedConfig()  # noqa: RUF009 - frozen


SMALL = DeeplabJointConfig(encoder="resnet10t")
CASES = {
    "segnet-split 8-8-16, 32x64": Case(SegnetSplitConfig(widths=(8, 8, 16)), (32, 64)),
    "segnet-split 16-32-64, 64x128": Case(SegnetSplitConfig(widths=(16, 32, 64)), (64, 128)),
    "segnet-mtan 8-8-16, 32x64": Case(SegnetMtanConfig(widths=(8, 8, 16)), (32, 64)),
    "deeplab-joint resnet10t, 64x128": Case(SMALL, (64, 128)),
    "deeplab-joint resnet18, 64x128": Case(DeeplabJointConfig(encoder="resnet18"), (64, 128)),
    "deeplab-joint resnet10t, 64x128, pcgrad": Case(SMALL, (64, 128), weighting=PCGradConfig()),
    "deeplab-joint resnet34, 128x256": Case(DeeplabJointConfig(encoder="resnet34"), (128, 256)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="*", default=list(CASES), choices=CASES)
    parser.add_argument("--runs", type=int, default=8)
    parser.add_argument("--precision", nargs="*", default=["bf16"], choices=["bf16", "fp32"])
    parser.add_argument("--channels-last", nargs="*", default=["on"], choices=["on", "off"])
    parser.add_argument("--passes", action="store_true", help="measure only forward and backward passes")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=1, help="steps of each run in a round")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--processor-time", action="store_true")
    parser.add_argument("--seconds", type=float, default=math.inf, help="total time limit")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    until = time.perf_counter() + arguments.seconds
    conditions = machine(arguments)
    rows: list[dict[str, Any]] = []
    settings = list(product(arguments.cases, arguments.precision, arguments.channels_last))
    signal.signal(signal.SIGALRM, _out_of_time)
    for number, (name, precision, order) in enumerate(settings):
        began = time.perf_counter()
        share = (until - began) / (len(settings) - number)
        row: dict[str, Any] = {"case": name, "precision": precision, "channels last": order == "on"}
        try:
            if share <= 0:
                raise TimeoutError("no time was left")
            if share < math.inf:
                signal.setitimer(signal.ITIMER_REAL, share)
            measure = passes if arguments.passes else measured
            arguments.until = began + 0.8 * share
            row |= measure(CASES[name], arguments, precision, channels_last=order == "on")
        except Exception as error:  # continue with the other cases
            row["error"] = f"{type(error).__name__}: {error}"[:500]
        signal.setitimer(signal.ITIMER_REAL, 0)
        rows.append(row)
        print(json.dumps(row), f"({time.perf_counter() - began:.0f} s)", flush=True)
        if arguments.json:
            atomic_write(arguments.json, json.dumps({"machine": conditions, "rows": rows}, indent=1) + "\n")


def _out_of_time(*_: object) -> None:
    raise TimeoutError("it took too long")


def machine(arguments: argparse.Namespace) -> dict[str, Any]:
    device = launch(arguments.device).device
    is_gpu = device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(device) if is_gpu else platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "clock": "processor time" if arguments.processor_time else "wall",
    }


def measured(case: Case, arguments: argparse.Namespace, precision: str, *, channels_last: bool) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        store = random_store(Path(folder) / "store", case.size, {"train": IMAGES, "val": 2})

        def runs() -> list[Trainer]:
            return [
                trainer(case, store, arguments.device, precision, channels_last, seed) for seed in range(arguments.runs)
            ]

        alone, together = runs(), runs()
        device = alone[0].fabric.device
        first_requests, alone_requests, stack_requests = (
            requests_of(alone[0]),
            [requests_of(run) for run in alone],
            [requests_of(run) for run in together],
        )
        stack = Stack([run.training_step for run in together])

        def take(run: Trainer, request: NextStep) -> dict[str, Tensor]:
            return run.training_step(run.train_data.batch(request.indices, request.epoch), request.step).losses

        def one() -> object:
            return [take(alone[0], next(first_requests)) for _ in range(arguments.steps)]

        def after_another() -> list[dict[str, Tensor]]:
            for _ in range(arguments.steps):
                losses = [take(run, next(requests)) for run, requests in zip(alone, alone_requests, strict=True)]
            return losses

        def stacked() -> list[dict[str, Tensor]]:
            for _ in range(arguments.steps):
                batch_requests = [next(requests) for requests in stack_requests]
                batch = batch_of([run.train_data for run in together], batch_requests)
                losses = [result.losses for result in stack(batch, [request.step for request in batch_requests])]
            return losses

        differences: list[float] = []
        for _ in range(3):
            pairs = list(zip(after_another(), stacked(), strict=True))
            differences.append(max(relative(a[task], b[task]) for a, b in pairs for task in a))
        peaks = {}
        calls: dict[str, Callable[[], object]] = {"one": one, "after another": after_another, "stacked": stacked}
        if device.type == "cuda":
            for name, call in calls.items():
                torch.cuda.reset_peak_memory_stats()
                allocated = torch.cuda.memory_allocated()
                call()
                peaks[name] = (torch.cuda.max_memory_allocated() - allocated) / MEBIBYTE
        clock = time.process_time if arguments.processor_time else None
        at_most = arguments.until - time.perf_counter()
        seconds = seconds_of(calls, device, rounds=arguments.rounds, warm_up=1, at_most=at_most, clock=clock)
        seconds = {name: time / arguments.steps for name, time in seconds.items()}
        return {
            "runs": arguments.runs,
            "seconds": seconds,
            "against one": seconds["stacked"] / seconds["one"],
            "against one after the other": seconds["stacked"] / seconds["after another"],
            "difference after each of three steps": differences,
            "memory of a step, MiB": peaks,
            "others stay finite": others_stay_finite(together, stacked),
        }


def passes(case: Case, arguments: argparse.Namespace, precision: Any, *, channels_last: bool) -> dict[str, Any]:
    device = launch(arguments.device).device
    order = torch.channels_last if channels_last else torch.contiguous_format
    built = [case.network.build({"semseg": 19, "depth": 1}).to(device) for _ in range(arguments.runs + 1)]
    alone, *others = [network.to(memory_format=order) for network in built]
    together = Networks(others)
    images = torch.rand(arguments.runs * case.images, 3, *case.size, device=device).contiguous(memory_format=order)

    def mean_of_squares(outputs: Outputs) -> Tensor:
        return torch.stack([x.float().square().mean() for x in outputs.values()]).sum()

    def one() -> None:
        alone.zero_grad(set_to_none=True)
        with autocast(device, precision):
            outputs = alone.forward(images[: case.images])
        mean_of_squares(outputs).backward()

    def stacked() -> None:
        with autocast(device, precision):
            outputs = together(images.unflatten(0, (arguments.runs, -1)))
        mean_of_squares(outputs).backward()
        together.hand_out_gradients()

    clock = time.process_time if arguments.processor_time else None
    seconds = seconds_of({"one": one, "stacked": stacked}, device, rounds=arguments.rounds, clock=clock)
    return {"runs": arguments.runs, "passes": seconds, "against one": seconds["stacked"] / seconds["one"]}


def others_stay_finite(together: list[Trainer], stacked: Callable[[], list[dict[str, Tensor]]]) -> bool:
    """Return whether the losses of the other runs are finite after steps with a run whose weights are not."""
    with torch.no_grad():
        for parameter in together[0].network.parameters():
            parameter.fill_(float("nan"))
    stacked()
    losses = stacked()
    return all(bool(loss.isfinite()) for run in losses[1:] for loss in run.values())


def relative(x: Tensor, y: Tensor) -> float:
    return float((x - y).abs() / x.abs())


def requests_of(run: Trainer) -> Iterator[NextStep]:
    """Yield the steps of a run, endlessly."""
    step = 0
    for epoch in count():
        for indices in run.train_data.indices(epoch):
            yield NextStep(indices, epoch, step)
            step += 1


def trainer(case: Case, store: Path, device: str, precision: Any, channels_last: bool, seed: int) -> Trainer:
    experiment = Experiment(
        network=case.network,
        tasks={"semseg": SemanticSegmentation(), "depth": Depth()},
        data=Packed(store),
        augmentation=Augmentation(flip=True, scale_range=(1.0, 1.5), brightness=0.2, contrast=0.2, saturation=0.2),
        weighting=case.weighting,
        optimizer=AdamWConfig(lr=1e-4),
        batch_size=case.images,
        gradient_clip=1.0,
        precision=precision,
        channels_last=channels_last,
        device=device,
        epochs=10_000,
        seed=seed,
    )
    fabric = launch(device)
    stores = experiment.data.open()
    return assemble(experiment.for_data(stores["train"]), stores, fabric, RunFolder(store.parent / f"run-{seed}"))


if __name__ == "__main__":
    main()
