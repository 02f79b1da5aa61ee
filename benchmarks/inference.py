"""How long does one image take in torch, compiled, in ONNX Runtime and in OpenVINO, for every network?

    python benchmarks/inference.py [NETWORK ...]
    python benchmarks/inference.py --compiled [NETWORK ...]
    python benchmarks/inference.py --device cuda [NETWORK ...]

Networks for segmentation (19 classes) and depth as in their recipes, with random weights, on images of 64x128, in one
thread. Times are medians of processor time, all ways interleaved, so that other work of the machine changes little.
``depth`` is depth alone without the other decoders, as in ``taskscape predict --tasks depth``. Exported files process
one image in float32; images per second are those of batches of 4 in torch. ``--compiled`` measures compiled networks
beside the eager ones, which takes a minute or more each. Networks that are already in the result are skipped
(``--again`` measures them again).

On a GPU, images have 256x512 pixels, times are wall-clock times after the GPU has finished, and batches have 16 images.
Each network is also replayed as one CUDA graph. This takes a minute; no network is started after ``--seconds``.
"""

import argparse
import copy
import gc
import json
import math
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from growth import experiment_of
from table import RESULTS
from taskscape import models
from taskscape.bench.graph import in_graph
from taskscape.evaluation import seconds_of
from taskscape.export import onnx_file, openvino_file
from taskscape.export.deployed import Deployed, trace
from taskscape.export.formats import Job
from taskscape.machine import processor
from taskscape.models import Network
from taskscape.run_folder import RunFolder
from taskscape.runs import Experiment, TrainedModel, environment, flops
from taskscape.training.precision import autocast

CPU = torch.device("cpu")
SIZE = (64, 128)
BATCH = 4
SIZE_ON_GPU = (256, 512)
BATCH_ON_GPU = 16

Call = Callable[[], object]


def in_torch(network: Network, image: Tensor, *, bf16: bool = True, compile: bool = False) -> Call:
    """Return a call that predicts in torch, with channels last."""
    network = copy.deepcopy(network).to(memory_format=torch.channels_last)
    if compile:
        network.compile()
    image = image.contiguous(memory_format=torch.channels_last)

    def call() -> object:
        with torch.no_grad(), autocast(image.device, "bf16" if bf16 else "fp32"):
            return network(image)

    return call


def job_of(experiment: Experiment, network: Network) -> Job:
    """Return the export job of a network that predicts one image."""
    return Job(
        folder=RunFolder(Path("none")),
        model=TrainedModel(experiment, network, CPU),
        tasks=experiment.tasks,
        evaluated=SIZE,
        size=SIZE,
        program=trace(Deployed(copy.deepcopy(network), experiment.tasks).eval(), SIZE),
        about={},
    )


def in_onnxruntime(path: Path, image: Tensor) -> Call:
    """Return a call that predicts with an ONNX file in one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    array = image.numpy()
    return lambda: session.run(None, {"image": array})


def in_openvino(path: Path, image: Tensor, precision: str) -> Call:
    """Return a call that predicts with an OpenVINO model in one thread."""
    settings = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": "1", "PERFORMANCE_HINT": "LATENCY"}
    compiled = openvino_file.core().compile_model(str(path), "CPU", settings)
    array = image.numpy()
    return lambda: compiled([array])


def row(name: str) -> dict[str, Any]:
    """Return the seconds of an image in each way and of a batch in torch, and the operations."""
    experiment = experiment_of(name)
    torch.manual_seed(0)
    network = experiment.network.build(experiment.channels).eval()
    depth_network = copy.deepcopy(network)
    depth_network.drop_decoders([task for task in experiment.tasks if task != "depth"])
    generator = torch.Generator().manual_seed(0)
    batch = torch.rand(BATCH, 3, *SIZE, generator=generator)
    pixels = (255 * batch[:1]).round().byte()
    calls = {
        "fp32": in_torch(network, batch[:1], bf16=False),
        "bf16": in_torch(network, batch[:1]),
        "bf16, depth": in_torch(depth_network, batch[:1]),
    }
    refused = {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            path = Path(folder) / onnx_file.NAME
            onnx_file.save(job_of(experiment, network), path)
            calls["onnx"] = in_onnxruntime(path, pixels)
            openvino_file.convert(path, {}, Path(folder) / openvino_file.NAME)
            for precision, word in (("f32", "openvino"), ("bf16", "openvino bf16")):
                calls[word] = in_openvino(Path(folder) / openvino_file.NAME, pixels, precision)
        except Exception as error:  # reported in the row
            refused["files"] = f"{type(error).__name__}: {str(error).strip().splitlines()[0][:200]}"
        seconds = seconds_of(calls, CPU, rounds=5, warm_up=1, clock=time.process_time)
    calls.clear()
    batch_seconds = seconds_of({"bf16": in_torch(network, batch)}, CPU, rounds=3, warm_up=1, clock=time.process_time)
    return {
        "seconds": seconds,
        "images a second": {way: BATCH / time for way, time in batch_seconds.items()},
        "flops": {"all": flops(network, SIZE), "depth": flops(depth_network, SIZE)},
        **({"refused": refused} if refused else {}),
    }


def row_on_gpu(name: str, device: torch.device) -> dict[str, Any]:
    """Return the seconds of an image in each way, and the images per second of a batch."""
    experiment = experiment_of(name)
    torch.manual_seed(0)
    network = experiment.network.build(experiment.channels).eval().to(device)
    batch = torch.rand(BATCH_ON_GPU, 3, *SIZE_ON_GPU, generator=torch.Generator().manual_seed(0)).to(device)
    image_call, batch_call = in_torch(network, batch[:1]), in_torch(network, batch)
    calls = {"fp32": in_torch(network, batch[:1], bf16=False), "bf16": image_call, "batch": batch_call}
    refused = {}
    if device.type == "cuda":
        try:
            calls |= {"graph": in_graph(image_call, device), "batch, graph": in_graph(batch_call, device)}
        except RuntimeError as error:  # reported in the row
            refused["graph"] = str(error).strip().splitlines()[0][:200]
    seconds = seconds_of(calls, device, rounds=20, at_most=1.5)
    return {
        "seconds": {way: time for way, time in seconds.items() if "batch" not in way},
        "images a second": {word: BATCH_ON_GPU / seconds[way] for way, word in _BATCHES.items() if way in seconds},
        **({"refused": refused} if refused else {}),
    }


_BATCHES = {"batch": "bf16", "batch, graph": "graph"}


def compiled(name: str) -> dict[str, Any]:
    """Return the seconds of an image with and without compilation, in bf16, and of the compilation."""
    experiment = experiment_of(name)
    torch.manual_seed(0)
    network = experiment.network.build(experiment.channels).eval()
    image = torch.rand(1, 3, *SIZE, generator=torch.Generator().manual_seed(0))
    eager, call = in_torch(network, image), in_torch(network, image, compile=True)
    began = time.process_time()
    call()
    compile_seconds = time.process_time() - began
    seconds = seconds_of({"bf16": eager, "compiled": call}, CPU, rounds=5, warm_up=1, clock=time.process_time)
    return {"seconds": seconds, "compilation": compile_seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", help="networks; by default all")
    parser.add_argument("--compiled", action="store_true", help="measure compiled networks instead, on a CPU")
    parser.add_argument("--again", action="store_true", help="also measure networks that already have a row")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--seconds", type=float, default=math.inf, help="start no network after this time")
    parser.add_argument("--json", type=Path, help="output file; by default that in results/")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    on_gpu = device.type == "cuda"
    result: Path = arguments.json or RESULTS / f"inference{'_gpu' if on_gpu else ''}.json"
    torch.set_num_threads(1)
    part, measure = ("compiled", compiled) if arguments.compiled else ("rows", row)
    if on_gpu:
        part, measure = "rows", partial(row_on_gpu, device=device)
    until = time.monotonic() + arguments.seconds
    for name in arguments.networks or models.NAMES:
        results: dict[str, Any] = json.loads(result.read_text("utf-8")) if result.is_file() else {}
        if name in results.get(part, {}) and not arguments.again:
            continue
        if time.monotonic() > until:
            print(f"{name}: no time was left", flush=True)
            continue
        measured = measure(name)
        results = json.loads(result.read_text("utf-8")) if result.is_file() else {}
        results.setdefault(part, {})[name] = measured
        results["environment"] = environment(device) | {"processor": processor()}
        result.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
        print(name, json.dumps(measured), flush=True)
        gc.collect()


if __name__ == "__main__":
    main()
