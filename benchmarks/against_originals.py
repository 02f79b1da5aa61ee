"""How long is a training step here, and in the authors' code on the same machine? Ratios, all measured in turns.

    git clone https://github.com/lorenmt/mtan ../mtan
    git clone https://github.com/akarimoon/xtask_mt ../xtask_mt
    git clone https://github.com/median-research-group/LibMTL ../LibMTL
    python benchmarks/against_originals.py --mtan ../mtan --xtask ../xtask_mt --libmtl ../LibMTL

A step is forward pass, losses, backward passes with what balances them, and optimizer, on random images and labels,
without metrics. Each is measured A B C A B C …: theirs as published (float32), theirs with autocast to bf16 and, where
their code allows it, channels last, which anyone can add in two lines, and ours in what ``precision: auto`` chose
here. LibMTL's networks are trained by its own methods and by ours, so that nothing but the step differs.
"""

import argparse
import importlib
import json
import platform
import random
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from original_mtan import definitions, segnet
from taskscape.batch import Batch, Target
from taskscape.evaluation import seconds_of
from taskscape.machine import processor
from taskscape.modalities.class_sets import CITYSCAPES_7, NYUV2_13, ClassSet
from taskscape.models import Network, NetworkConfig, Outputs, SegnetMtanConfig
from taskscape.recipes import consistency
from taskscape.runs import Experiment, environment
from taskscape.runs.build_step import build_step
from taskscape.runs.fastest import as_in, settled
from taskscape.tasks import Depth, SemanticSegmentation, SurfaceNormals, Task
from taskscape.training.optimization import AdamConfig
from taskscape.training.ways import Way
from taskscape.weighting import CAGradConfig, FixedConfig, PCGradConfig, WeightingConfig

CPU = torch.device("cpu")
RESULTS = Path(__file__).parent / "results" / "against_originals.json"

Step = Callable[[], object]


class Theirs(NamedTuple):
    """A network of the authors, and the two halves of its training step."""

    network: nn.Module
    losses: Callable[[Tensor], Any]
    """Of images."""
    update: Callable[[Any], None]
    """Gradients and optimizer."""


Steps = tuple[Step, Step, Step, Way]
"""Theirs, theirs with bf16 and channels last, ours, and what ours computes in."""


def random_batch(images: int, size: tuple[int, int], classes: ClassSet, *, with_normals: bool) -> Batch:
    """Return images and labels that are valid everywhere."""
    generator = torch.Generator().manual_seed(0)
    everywhere = torch.ones(images, *size, dtype=torch.bool)
    normals = F.normalize(torch.randn(images, 3, *size, generator=generator), dim=1)
    targets = {
        "semseg": Target(torch.randint(len(classes), (images, *size), generator=generator), everywhere),
        "depth": Target(1 + 9 * torch.rand(images, 1, *size, generator=generator), everywhere),
        **({"normals": Target(normals, everywhere)} if with_normals else {}),
    }
    return Batch(torch.rand(images, 3, *size, generator=generator), targets, torch.arange(images))


def tasks_of(batch: Batch, classes: ClassSet) -> dict[str, Task]:
    """Return the tasks with the losses of MTAN: cross-entropy, L1, cosine."""
    tasks: dict[str, Task] = {
        "semseg": SemanticSegmentation(classes),
        "depth": Depth("metres", mean=0.0, std=1.0, min_depth=0.01, max_depth=1000.0),
        "normals": SurfaceNormals(),
    }
    return {name: tasks[name] for name in batch.targets}


def ours(experiment: Experiment, batch: Batch) -> tuple[Step, Way]:
    """Return a step of an experiment, computed as is fastest here."""
    chosen = settled(experiment, batch, CPU)
    way = Way(chosen.number_format, chosen.channels_last, chosen.compile)
    step, own = build_step(chosen, CPU), as_in(way, batch)
    return lambda: step(own, 0), way


def published(theirs: Theirs, image: Tensor) -> Step:
    """Return a step of theirs as it was published."""
    return lambda: theirs.update(theirs.losses(image))


def tuned(theirs: Theirs, image: Tensor) -> Step:
    """Return a step of theirs with bf16, and with channels last unless that fails."""

    def call() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            losses = theirs.losses(image)
        theirs.update(losses)

    theirs.network.to(memory_format=torch.channels_last)
    image = image.contiguous(memory_format=torch.channels_last)
    try:
        call()
    except RuntimeError:  # some of their code takes gradients for contiguous
        theirs.network.to(memory_format=torch.contiguous_format)
        image = image.contiguous()
    return call


# -- MTAN --------------------------------------------------------------------------------------------------------------


def mtan(checkout: Path, images: int, size: tuple[int, int]) -> Steps:
    """Return the steps of SegNet-MTAN with segmentation, depth and normals."""
    batch = random_batch(images, size, NYUV2_13, with_normals=True)
    fit = definitions(checkout / "im2im_pred" / "utils.py")["model_fit"]
    labels = [(batch.targets["semseg"].value, "semantic"), (batch.targets["depth"].value, "depth")]
    labels.append((batch.targets["normals"].value, "normal"))

    def theirs() -> Theirs:
        network = segnet(checkout, "mtan", weight="equal")
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)

        def losses(image: Tensor) -> Tensor:
            found = network(image)[0]
            return torch.stack([fit(x, label, kind) for x, (label, kind) in zip(found, labels, strict=True)]).sum()

        def update(loss: Tensor) -> None:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

        return Theirs(network, losses, update)

    experiment = Experiment(
        network=SegnetMtanConfig(), tasks=tasks_of(batch, NYUV2_13), optimizer=AdamConfig(lr=1e-4), precision="auto"
    )
    return published_and_ours(theirs, experiment, batch)


def published_and_ours(theirs: Callable[[], Theirs], experiment: Experiment, batch: Batch) -> Steps:
    """Return the three steps of a pair."""
    mine, way = ours(experiment, batch)
    return published(theirs(), batch.image), tuned(theirs(), batch.image), mine, way


# -- cross-task consistency --------------------------------------------------------------------------------------------


def xtask(checkout: Path, images: int, size: tuple[int, int]) -> Steps:
    """Return the steps of XTasC-Net with a ResNet-34 and 7 classes."""
    sys.path.insert(0, str(checkout))
    torch.hub.load = lambda _, name, pretrained=False: getattr(torchvision.models, name)(weights=None)
    from model.xtask_ts import XTaskTSNet  # type: ignore[import-not-found]
    from module import XTaskLoss  # type: ignore[import-not-found]

    batch = random_batch(images, size, CITYSCAPES_7, with_normals=False)
    inverse = 0.4 * torch.rand(images, 1, *size, generator=torch.Generator().manual_seed(1)) + 0.01
    depth = Target(0.4922 / inverse, batch.targets["depth"].valid)
    batch = batch._replace(targets=batch.targets | {"depth": depth})
    everywhere = torch.ones(images, 1, *size)

    def theirs() -> Theirs:
        network = XTaskTSNet(34, 7, batch_norm=False, wider_ttnet=False)
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-4, betas=(0.9, 0.99))
        criterion = XTaskLoss(num_classes=7, image_loss_type="L1", label_smoothing=0.0, method="xtsc")
        labels = batch.targets["semseg"].value

        def losses(image: Tensor) -> Any:
            return criterion(network(image), labels, inverse, everywhere, everywhere)

        def update(two: tuple[Tensor, Tensor]) -> None:
            optimizer.zero_grad()
            for loss in two:
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
    return published_and_ours(theirs, experiment, batch)


# -- LibMTL ------------------------------------------------------------------------------------------------------------


def import_libmtl(checkout: Path) -> None:
    """Let parts of LibMTL be imported without its packages' own imports, which need others that nothing here needs."""
    sys.path[:0] = [str(checkout), str(checkout / "examples" / "nyu")]
    for name in ("LibMTL", "LibMTL.weighting", "LibMTL.architecture", "LibMTL.model"):
        package = types.ModuleType(name)
        package.__path__ = [str(checkout / name.replace(".", "/"))]
        sys.modules[name] = package


def libmtl_network(checkout: Path, architecture: str, weighting: str, size: tuple[int, int]) -> Any:
    """Return LibMTL's model: a dilated ResNet-50 with a DeepLab head per task, and its weighting."""
    import_libmtl(checkout)
    base = getattr(importlib.import_module(f"LibMTL.architecture.{architecture}"), architecture)
    method = getattr(importlib.import_module(f"LibMTL.weighting.{weighting}"), weighting)
    dilated = importlib.import_module("LibMTL.model.resnet_dilated").resnet_dilated
    head = importlib.import_module("aspp").DeepLabHead
    channels = {"semseg": 13, "depth": 1, "normals": 3}

    class Model(base, method):  # type: ignore[misc, valid-type]
        def forward(self, image: Tensor) -> dict[str, Tensor]:
            found = super().forward(image)
            return {name: F.interpolate(x, size, mode="bilinear", align_corners=True) for name, x in found.items()}

    decoders = nn.ModuleDict({task: head(2048, count) for task, count in channels.items()})
    model = Model(list(channels), lambda: dilated("resnet50", pretrained=False), decoders, False, False, CPU)
    model.init_param()
    return model


@dataclass(frozen=True)
class LibMTLConfig(NetworkConfig):
    """LibMTL's network as one of ours."""

    name: ClassVar[str] = "libmtl"
    paper: ClassVar[str] = "none"

    checkout: str = ""
    architecture: str = "HPS"
    size: tuple[int, int] = (128, 256)


class LibMTLNetwork(Network, config=LibMTLConfig):
    """Calls it, and names its shared layers."""

    def __init__(self, out_channels: Mapping[str, int], config: LibMTLConfig | None = None, **options: Any) -> None:
        super().__init__(out_channels)
        config = LibMTLConfig.of(config, options)
        self.model = libmtl_network(Path(config.checkout), config.architecture, "EW", config.size)

    def shared_modules(self) -> tuple[nn.Module, ...]:
        """The encoder; of MTAN without its attention."""
        resnet = getattr(self.model.encoder, "resnet_network", self.model.encoder)
        return (resnet.shared_conv, resnet.shared_layer) if hasattr(resnet, "shared_conv") else (self.model.encoder,)

    def forward(self, image: Tensor) -> Outputs:
        """Predict."""
        return Outputs(self.model(image), {}, ())


def libmtl(
    checkout: Path, images: int, size: tuple[int, int], architecture: str, weighting: str, config: WeightingConfig
) -> Steps:
    """Return the steps of a network of LibMTL with segmentation, depth and normals."""
    batch = random_batch(images, size, NYUV2_13, with_normals=True)
    labels = {name: target.value for name, target in batch.targets.items()}
    arguments = {"calpha": 0.5, "rescale": 1} if weighting == "CAGrad" else {}

    def theirs() -> Theirs:
        model = libmtl_network(checkout, architecture, weighting, size)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)

        def losses(image: Tensor) -> Tensor:
            found = model(image)
            cosine = (F.normalize(found["normals"], dim=1) * labels["normals"]).sum(1).mean()
            semseg = F.cross_entropy(found["semseg"], labels["semseg"])
            return torch.stack([semseg, F.l1_loss(found["depth"], labels["depth"]), 1 - cosine])

        def update(three: Tensor) -> None:
            random.seed(0)
            optimizer.zero_grad(set_to_none=False)
            model.backward(three, **arguments)
            optimizer.step()

        return Theirs(model, losses, update)

    experiment = Experiment(
        network=LibMTLConfig(str(checkout), architecture, size),
        tasks=tasks_of(batch, NYUV2_13),
        weighting=config,
        optimizer=AdamConfig(lr=1e-4),
        precision="auto",
    )
    return published_and_ours(theirs, experiment, batch)


# -- all ---------------------------------------------------------------------------------------------------------------


def pairs(arguments: argparse.Namespace) -> Iterator[tuple[str, Callable[[], Steps]]]:
    """Return what is compared, by name."""
    small, large = (128, 256), (288, 384)
    if arguments.mtan:
        yield "MTAN, 3 tasks, 4 images of 128x256", partial(mtan, arguments.mtan, 4, small)
        yield "MTAN, 3 tasks, 2 images of 288x384", partial(mtan, arguments.mtan, 2, large)
    if arguments.xtask:
        yield "cross-task consistency, ResNet-34, 8 images of 128x256", partial(xtask, arguments.xtask, 8, small)
    if arguments.libmtl:
        methods: list[tuple[str, str, WeightingConfig]] = [
            ("HPS", "EW", FixedConfig()),
            ("MTAN", "EW", FixedConfig()),
            ("HPS", "PCGrad", PCGradConfig()),
            ("HPS", "CAGrad", CAGradConfig()),
        ]
        for architecture, weighting, config in methods:
            name = f"LibMTL, {architecture} with {weighting}, ResNet-50, 8 images of 128x256"
            yield name, partial(libmtl, arguments.libmtl, 8, small, architecture, weighting, config)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("mtan", "xtask", "libmtl"):
        parser.add_argument(f"--{name}", type=Path, metavar="CHECKOUT")
    parser.add_argument("--only", default="", help="those whose name has this text")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each, at most, after one round")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    found = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    print("| step | published, s | bf16 and channels last, s | ours, s | ratio | to the second | ours computes in |")
    print("|---|---:|---:|---:|---:|---:|---|")
    for name, make in pairs(arguments):
        if arguments.only not in name:
            continue
        plain, with_bf16, mine, way = make()
        calls = {"published": plain, "bf16 and channels last": with_bf16, "ours": mine}
        times = seconds_of(calls, CPU, rounds=7, warm_up=1, at_most=arguments.seconds)
        first, second, own = times.values()
        print(f"| {name} | {first:.2f} | {second:.2f} | {own:.2f} | {first / own:.2f} | {second / own:.2f} | {way} |")
        about = environment(CPU) | {"processor": processor(), "system": platform.system()}
        found[name] = {"seconds": times, "ratio": first / own, "to bf16": second / own, "way": str(way)} | about
        arguments.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
