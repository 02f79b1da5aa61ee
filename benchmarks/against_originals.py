"""How long does a training step take here and in the authors' code on the same machine? Ratios, measured interleaved.

    git clone https://github.com/lorenmt/mtan ../mtan
    git clone https://github.com/akarimoon/xtask_mt ../xtask_mt
    git clone https://github.com/median-research-group/LibMTL ../LibMTL
    python benchmarks/against_originals.py --mtan ../mtan --xtask ../xtask_mt --libmtl ../LibMTL

A step is the forward pass, losses, backward passes with balancing, and optimizer, on random images and labels, without
metrics. Each is measured A B C A B C …: theirs as published (float32), theirs with autocast to bf16 and, where their
code allows it, channels last (which anyone can add in two lines), and ours with the precision that ``precision: auto``
chose here. LibMTL's networks are trained by its own methods and by ours, so only the step differs. MTAN for two tasks
is the copy in ``xtask_mt``.

    python benchmarks/against_originals.py --mtan ../mtan --xtask ../xtask_mt --libmtl ../LibMTL --device cuda

does the same on a GPU, in about a minute and a half on an H100: ours in bf16 with channels last, as ``taskscape train``
takes steps (as CUDA graphs if a weighting allows it) and without graphs. The originals compute in float32 with torch's
defaults: convolutions may round to TF32, matrix products do not.

    python benchmarks/against_originals.py --mtan ../mtan --xtask ../xtask_mt --libmtl ../LibMTL --roof

measures how far our steps are from the limit of the machine: the time of their convolutions and linear layers alone,
interleaved with the step, and how the rest of the time is spent. Times are processor time of one thread, which other
work hardly changes; the minimum counts.
"""

import argparse
import gc
import importlib
import json
import math
import platform
import random
import sys
import time
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from original_mtan import definitions, segnet
from original_xtask import encoder_of_torchvision
from random_data import CPU, random_batch
from table import RESULTS
from taskscape.batch import Batch, Target
from taskscape.bench.profile import profiled
from taskscape.bench.roof import roof
from taskscape.evaluation import seconds_of
from taskscape.machine import processor
from taskscape.modalities.class_sets import CITYSCAPES_7, NYUV2_13, ClassSet
from taskscape.models import Network, NetworkConfig, Outputs, SegnetMtanConfig
from taskscape.recipes import consistency
from taskscape.runs import Experiment, environment
from taskscape.runs.build_step import build_step
from taskscape.runs.fastest import in_format_of, with_fastest_way, with_way
from taskscape.tasks import Depth, SemanticSegmentation, SurfaceNormals, Task
from taskscape.training.freed_memory import freed_memory_kept
from taskscape.training.optimization import AdamConfig
from taskscape.training.step import TrainingStep
from taskscape.training.ways import Way
from taskscape.weighting import CAGradConfig, FixedConfig, PCGradConfig, WeightingConfig

STEPS_OF_A_ROUND = {"cpu": 1, "cuda": 5}
"""Consecutive steps of each: several on a GPU, since in training the host may be ahead of it."""

Step = Callable[[], object]


class Theirs(NamedTuple):
    """A network of the authors, with the two halves of its training step."""

    network: nn.Module
    losses: Callable[[Tensor], Any]
    """Compute the losses of images."""
    update: Callable[[Any], None]
    """Compute gradients and step the optimizer."""


class Pair(NamedTuple):
    """A network of the authors and our experiment to compare with it."""

    theirs: Callable[[], Theirs]
    """Builds a new network at each call."""
    ours: Experiment
    batch: Batch


def tasks_of(batch: Batch, classes: ClassSet) -> dict[str, Task]:
    """Return the tasks with the losses of MTAN: cross-entropy, L1, cosine."""
    tasks: dict[str, Task] = {
        "semseg": SemanticSegmentation(classes),
        "depth": Depth("meters", mean=0.0, std=1.0, min_depth=0.01, max_depth=1000.0),
        "normals": SurfaceNormals(),
    }
    return {name: tasks[name] for name in batch.targets}


def ours(experiment: Experiment, batch: Batch) -> tuple[TrainingStep, Batch, Way]:
    """Return the step of an experiment in the way that is fastest here, its batch, and that way."""
    device = batch.image.device
    way = Way("bf16", channels_last=True)
    chosen = with_fastest_way(experiment, batch, device) if device.type == "cpu" else with_way(experiment, way)
    way = Way(chosen.number_format, chosen.channels_last, chosen.compile)
    return build_step(chosen, device), in_format_of(way, batch), way


def published(theirs: Theirs, image: Tensor) -> Step:
    """Return a step of their network as published."""
    return lambda: theirs.update(theirs.losses(image))


def tuned(theirs: Theirs, image: Tensor) -> Step:
    """Return a step of their network with bf16, and with channels last unless that fails."""

    def call() -> None:
        with torch.autocast(image.device.type, torch.bfloat16):
            losses = theirs.losses(image)
        theirs.update(losses)

    theirs.network.to(memory_format=torch.channels_last)
    image = image.contiguous(memory_format=torch.channels_last)
    try:
        call()
    except RuntimeError:  # some of their code assumes contiguous gradients
        theirs.network.to(memory_format=torch.contiguous_format)
        image = image.contiguous()
    return call


# -- MTAN --------------------------------------------------------------------------------------------------------------


def mtan(checkout: Path, images: int, size: tuple[int, int], device: torch.device) -> Pair:
    """Return the pair for SegNet-MTAN with segmentation, depth and normals."""
    utils = checkout / "im2im_pred" / "utils.py"
    batch = random_batch(images, size, ("semseg", "depth", "normals"), NYUV2_13, device)
    return _mtan(lambda: segnet(checkout, "mtan", weight="equal"), utils, batch)


def mtan_of_two(checkout: Path, images: int, size: tuple[int, int], device: torch.device) -> Pair:
    """Return the pair for SegNet-MTAN with segmentation and depth, from the copy in ``xtask_mt``."""
    folder = checkout / "model" / "mtan"
    batch = random_batch(images, size, classes=NYUV2_13, device=device)
    network = definitions(folder / "segnets.py")["SegNet2tasks"]
    return _mtan(lambda: network(len(NYUV2_13)), folder / "utils.py", batch)


def _mtan(build: Callable[[], nn.Module], utils: Path, batch: Batch) -> Pair:
    fit = definitions(utils)["model_fit"]
    kinds = {"semseg": "semantic", "depth": "depth", "normals": "normal"}
    labels = [(target.value, kinds[name]) for name, target in batch.targets.items()]

    def theirs() -> Theirs:
        network = build().to(batch.image.device)
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)

        def losses(image: Tensor) -> Tensor:
            outputs = network(image)[0]
            return torch.stack([fit(x, label, kind) for x, (label, kind) in zip(outputs, labels, strict=True)]).sum()

        def update(loss: Tensor) -> None:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

        return Theirs(network, losses, update)

    experiment = Experiment(
        network=SegnetMtanConfig(), tasks=tasks_of(batch, NYUV2_13), optimizer=AdamConfig(lr=1e-4), precision="auto"
    )
    return Pair(theirs, experiment, batch)


# -- cross-task consistency --------------------------------------------------------------------------------------------


def xtask(checkout: Path, images: int, size: tuple[int, int], device: torch.device) -> Pair:
    """Return the pair for XTasC-Net with a ResNet-34 and 7 classes."""
    sys.path.insert(0, str(checkout))
    torch.hub.load = encoder_of_torchvision  # type: ignore[assignment]
    from model.xtask_ts import XTaskTSNet  # type: ignore[import-not-found]
    from module import XTaskLoss  # type: ignore[import-not-found]

    batch = random_batch(images, size, classes=CITYSCAPES_7, device=device)
    inverse = (0.4 * torch.rand(images, 1, *size, generator=torch.Generator().manual_seed(1)) + 0.01).to(device)
    depth = Target(0.4922 / inverse, batch.targets["depth"].valid)
    batch = batch._replace(targets=batch.targets | {"depth": depth})
    everywhere = torch.ones(images, 1, *size, device=device)

    def theirs() -> Theirs:
        network = XTaskTSNet(34, 7, batch_norm=False, wider_ttnet=False).to(device)
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-4, betas=(0.9, 0.99))
        criterion = XTaskLoss(num_classes=7, image_loss_type="L1", label_smoothing=0.0, method="xtsc")
        labels = batch.targets["semseg"].value

        def losses(image: Tensor) -> Any:
            return criterion(network(image), labels, inverse, everywhere, everywhere)

        def update(task_losses: tuple[Tensor, Tensor]) -> None:
            optimizer.zero_grad()
            for loss in task_losses:
                loss.backward(retain_graph=True)
            optimizer.step()

        return Theirs(network, losses, update)

    recipe = consistency.cityscapes_7()
    experiment = Experiment(
        network=recipe.network,
        tasks=recipe.tasks,
        objective=recipe.objective,
        optimizer=recipe.optimizer,
        precision="auto",
    )
    return Pair(theirs, experiment, batch)


# -- LibMTL ------------------------------------------------------------------------------------------------------------


def import_libmtl(checkout: Path) -> None:
    """Make parts of LibMTL importable without its ``__init__`` files, whose dependencies are not needed here."""
    sys.path[:0] = [str(checkout), str(checkout / "examples" / "nyu")]
    for name in ("LibMTL", "LibMTL.weighting", "LibMTL.architecture", "LibMTL.model"):
        package = types.ModuleType(name)
        package.__path__ = [str(checkout / name.replace(".", "/"))]
        sys.modules[name] = package


def libmtl_network(
    checkout: Path, architecture: str, weighting: str, size: tuple[int, int], device: torch.device = CPU
) -> Any:
    """Return LibMTL's model: a dilated ResNet-50 with a DeepLab head per task, and its weighting."""
    import_libmtl(checkout)
    base = getattr(importlib.import_module(f"LibMTL.architecture.{architecture}"), architecture)
    method = getattr(importlib.import_module(f"LibMTL.weighting.{weighting}"), weighting)
    dilated = importlib.import_module("LibMTL.model.resnet_dilated").resnet_dilated
    head = importlib.import_module("aspp").DeepLabHead
    channels = {"semseg": 13, "depth": 1, "normals": 3}

    class Model(base, method):  # type: ignore[misc, valid-type]
        def forward(self, image: Tensor) -> dict[str, Tensor]:
            outputs = super().forward(image)
            return {name: F.interpolate(x, size, mode="bilinear", align_corners=True) for name, x in outputs.items()}

    decoders = nn.ModuleDict({task: head(2048, count) for task, count in channels.items()})
    model = Model(list(channels), lambda: dilated("resnet50", pretrained=False), decoders, False, False, device)
    model.init_param()
    return model.to(device)


@dataclass(frozen=True)
class LibMTLConfig(NetworkConfig):
    """LibMTL's network, wrapped as a network of taskscape."""

    name: ClassVar[str] = "libmtl"
    paper: ClassVar[str] = "none"

    checkout: str = ""
    architecture: str = "HPS"
    size: tuple[int, int] = (128, 256)


class LibMTLNetwork(Network, config=LibMTLConfig):
    """Calls LibMTL's network, and names its shared layers."""

    def __init__(self, out_channels: Mapping[str, int], config: LibMTLConfig | None = None, **options: Any) -> None:
        super().__init__(out_channels)
        config = LibMTLConfig.of(config, options)
        self.model = libmtl_network(Path(config.checkout), config.architecture, "EW", config.size)

    def shared_modules(self) -> tuple[nn.Module, ...]:
        """Return the encoder, for MTAN without its attention."""
        resnet = getattr(self.model.encoder, "resnet_network", self.model.encoder)
        return (resnet.shared_conv, resnet.shared_layer) if hasattr(resnet, "shared_conv") else (self.model.encoder,)

    def forward(self, image: Tensor) -> Outputs:
        """Return the outputs of LibMTL's network."""
        return Outputs(self.model(image), {}, ())


def libmtl(
    checkout: Path,
    images: int,
    size: tuple[int, int],
    device: torch.device,
    architecture: str,
    weighting: str,
    config: WeightingConfig,
) -> Pair:
    """Return the pair for a network of LibMTL with segmentation, depth and normals."""
    batch = random_batch(images, size, ("semseg", "depth", "normals"), NYUV2_13, device)
    labels = {name: target.value for name, target in batch.targets.items()}
    arguments = {"calpha": 0.5, "rescale": 1} if weighting == "CAGrad" else {}

    def theirs() -> Theirs:
        model = libmtl_network(checkout, architecture, weighting, size, device)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)

        def losses(image: Tensor) -> Tensor:
            outputs = model(image)
            cosine = (F.normalize(outputs["normals"], dim=1) * labels["normals"]).sum(1).mean()
            semseg = F.cross_entropy(outputs["semseg"], labels["semseg"])
            return torch.stack([semseg, F.l1_loss(outputs["depth"], labels["depth"]), 1 - cosine])

        def update(task_losses: Tensor) -> None:
            random.seed(0)
            optimizer.zero_grad(set_to_none=False)
            model.backward(task_losses, **arguments)
            optimizer.step()

        return Theirs(model, losses, update)

    experiment = Experiment(
        network=LibMTLConfig(str(checkout), architecture, size),
        tasks=tasks_of(batch, NYUV2_13),
        weighting=config,
        optimizer=AdamConfig(lr=1e-4),
        precision="auto",
    )
    return Pair(theirs, experiment, batch)


# -- all ---------------------------------------------------------------------------------------------------------------


def pairs(arguments: argparse.Namespace) -> Iterator[tuple[str, Callable[[], Pair]]]:
    """Yield the pairs to compare, by name."""
    small, large = (128, 256), (288, 384)
    count, device = arguments.images, torch.device(arguments.device)

    def named(title: str, make: Callable[..., Pair], *parameters: Any) -> tuple[str, Callable[[], Pair]]:
        _, images, size, *_ = parameters
        return f"{title}, {images} images of {size[0]}x{size[1]}", partial(make, *parameters)

    if arguments.mtan:
        for images, size in ((count or 4, small), (count or 2, large)):
            yield named("MTAN, 3 tasks", mtan, arguments.mtan, images, size, device)
    if arguments.xtask:
        yield named("MTAN, 2 tasks", mtan_of_two, arguments.xtask, count or 4, small, device)
        yield named("cross-task consistency, ResNet-34", xtask, arguments.xtask, count or 8, small, device)
    if arguments.libmtl:
        methods: list[tuple[str, str, WeightingConfig]] = [
            ("HPS", "EW", FixedConfig()),
            ("MTAN", "EW", FixedConfig()),
            ("HPS", "PCGrad", PCGradConfig()),
            ("HPS", "CAGrad", CAGradConfig()),
        ]
        for method in methods:
            name = f"LibMTL, {method[0]} with {method[1]}, ResNet-50"
            yield named(name, libmtl, arguments.libmtl, count or 8, small, device, *method)


def seconds(pair: Pair, at_most: float, clock: Callable[[], float] | None) -> dict[str, Any]:
    """Return the median seconds of a step of theirs, of theirs with bf16, and of ours, and the ratios.

    On a GPU, also those of ours without graphs. Graphs are captured in the rounds that are not counted.
    """
    device = pair.batch.image.device
    step, batch, way = ours(pair.ours, pair.batch)
    calls: dict[str, Step] = {
        "published": published(pair.theirs(), pair.batch.image),
        "bf16 and channels last": tuned(pair.theirs(), pair.batch.image),
        "ours": lambda: step(batch, 0),
    }
    if device.type == "cuda":
        plain, *_ = ours(replace(pair.ours, cuda_graphs=False), pair.batch)
        calls["ours without graphs"] = lambda: plain(batch, 0)
    count = STEPS_OF_A_ROUND[device.type]
    rounds = {name: partial(_times, call, count) for name, call in calls.items()}
    seconds_by_name = seconds_of(rounds, device, rounds=7, warm_up=1, at_most=at_most, clock=clock)
    times = {name: time / count for name, time in seconds_by_name.items()}
    published_time, tuned_time, our_time, *_ = times.values()
    graphs = {} if step.captured is None else {"graphs": step.captured.refusal or "captured"}
    return {
        "seconds": times,
        "ratio": published_time / our_time,
        "to bf16": tuned_time / our_time,
        "way": str(way),
    } | graphs


def _times(call: Step, count: int) -> None:
    for _ in range(count):
        call()


@freed_memory_kept(CPU)  # as in the training of a run
def share_of_roof(pair: Pair) -> dict[str, Any]:
    """Return the processor seconds of our step and of its convolutions alone, and how the time of a step is spent."""
    torch.set_num_threads(1)
    step, batch, way = ours(pair.ours, pair.batch)
    step(batch, 0)
    steps, convolutions = [], math.inf
    for _ in range(2):
        for _ in range(2):
            started = time.process_time()
            step(batch, 0)
            steps.append(time.process_time() - started)
        convolutions = min(convolutions, roof(step.network, batch.image, clock=time.process_time))
    shares = profiled(step, batch)
    return {
        "processor seconds": min(steps),
        "processor seconds of convolutions": convolutions,
        "share": convolutions / min(steps),
        "way": str(way),
        "parts": shares.parts,
        "kinds": shares.kinds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("mtan", "xtask", "libmtl"):
        parser.add_argument(f"--{name}", type=Path, metavar="CHECKOUT")
    parser.add_argument("--only", default="", help="only those whose name contains this text")
    parser.add_argument("--images", type=int, help="batch size, instead of that of the targets")
    parser.add_argument("--seconds", type=float, default=60.0, help="maximum time for each, after one round")
    parser.add_argument("--one-thread", action="store_true", help="measure processor time, on a busy machine")
    parser.add_argument("--roof", action="store_true", help="measure the share of the roof that our steps reach")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--out", type=Path, help="output file; by default that in results/")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    on_gpu = device.type == "cuda"
    out: Path = arguments.out or RESULTS / f"against_originals{'_gpu' if on_gpu else ''}.json"
    if arguments.one_thread:
        torch.set_num_threads(1)
    for name, make in pairs(arguments):
        if arguments.only not in name:
            continue
        conditions = environment(device) | {"processor": processor(), "system": platform.system()}
        try:
            if arguments.roof:
                measured: dict[str, Any] = {"roof": share_of_roof(make())}
            else:
                clock = time.process_time if arguments.one_thread else None
                measured = (
                    seconds(make(), arguments.seconds, clock) | conditions | {"clock": "processor" if clock else "wall"}
                )
        except Exception as error:  # continue with the rest
            measured = {"failed": f"{type(error).__name__}: {error}"[:300]}
        results = json.loads(out.read_text()) if out.exists() else {}
        results[name] = results.get(name, {}) | measured
        out.write_text(json.dumps(results, indent=1) + "\n")
        print(name, json.dumps(measured), flush=True)
        gc.collect()
        if on_gpu:
            torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
