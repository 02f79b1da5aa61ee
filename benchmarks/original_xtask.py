"""Does ``xtask`` compute the same as its authors' network? Copies their weights and compares, in float64.

    git clone https://github.com/akarimoon/xtask_mt ../xtask_mt
    python benchmarks/original_xtask.py ../xtask_mt

Their encoder is torchvision's and gets a normalized image; ours is timm's and normalizes the image itself. Differences
are the largest ‖ours - theirs‖ / ‖theirs‖ over all tensors of a kind.
"""

import argparse
import sys
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import Tensor, nn

from taskscape.batch import Target
from taskscape.losses import L1, MSE, CrossEntropy, LogL1, Loss, SmoothL1
from taskscape.modalities.class_sets import CITYSCAPES_7
from taskscape.models import XTask
from taskscape.objectives import CrossTaskConsistency
from taskscape.tasks import Depth, SemanticSegmentation, Task

CLASSES = 7
SIZE = (32, 64)
VARIANTS = [(18, False, False), (34, False, False), (34, True, False), (34, False, True), (50, True, True)]
LOSSES: dict[str, Loss] = {"L1": L1(), "MSE": MSE(), "logL1": LogL1(), "smoothL1": SmoothL1()}


def theirs_of(name: str, batch_norm: bool) -> str:
    """Return the name in their network of one of our tensors.

    ``encoder.backbone.conv1``          ``pretrained_encoder.layer0.0``, ``bn1``: ``layer0.1``
    ``encoder.backbone.layer1.B``       ``pretrained_encoder.layer1.1.B``, as their layer1.0 is the max-pool
    ``encoder.backbone.layerN.B``       ``pretrained_encoder.layerN.B``
    ``decoders.T.blocks.B.L``           ``decoder_T.conv(B+1).conv(L/3+1).(L%3)``: convolution, norm and ReLU are one
    ``decoders.T.head``                 ``decoder_T.conv6.0``
    ``transfers.T.down.S.L``, ``up.S``  ``trans_X.enc(S+1).double_conv.(L/n).conv.(L%n)``, ``dec``; n = 2, with norm 3
    ``transfers.T.head``                ``trans_X.final_conv``
    """
    part, *rest = name.split(".")
    if part == "encoder":
        _, layer, *rest = rest
        stem = {"conv1": "layer0.0", "bn1": "layer0.1", "layer1": "layer1.1"}
        return ".".join(["pretrained_encoder", stem.get(layer, layer), *rest])
    task, block, *rest = rest
    if part == "decoders":
        decoder = {"semseg": "decoder_segmt", "depth": "decoder_depth"}[task]
        if block == "head":
            return ".".join([decoder, "conv6.0", *rest])
        step, index = int(rest[0]), int(rest[1])
        return ".".join([decoder, f"conv{step + 1}", f"conv{index // 3 + 1}", f"{index % 3}", *rest[2:]])
    transfer = {"semseg": "trans_s2d", "depth": "trans_d2s"}[task]
    if block == "head":
        return ".".join([transfer, "final_conv", *rest])
    step, index, unit = int(rest[0]), int(rest[1]), 3 if batch_norm else 2
    side = {"down": "enc", "up": "dec"}[block]
    return ".".join([transfer, f"{side}{step + 1}.double_conv", f"{index // unit}.conv.{index % unit}", *rest[2:]])


def pair(depth: int, batch_norm: bool, wide: bool) -> tuple[XTask, nn.Module]:
    """Return our network and theirs with the same weights."""
    from model.xtask_ts import XTaskTSNet  # type: ignore[import-not-found]

    torch.manual_seed(0)
    theirs: nn.Module = XTaskTSNet(depth, CLASSES, batch_norm=batch_norm, wider_ttnet=wide).double()
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm2d):  # so that norms are not the identity in evaluation mode
            assert module.running_mean is not None and module.running_var is not None
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    out_channels = {"semseg": CLASSES, "depth": 1}
    ours = XTask(out_channels, encoder=f"resnet{depth}", batch_norm=batch_norm, wide=wide).double()
    weights = theirs.state_dict()
    ours.load_state_dict({name: weights.pop(theirs_of(name, batch_norm)) for name in ours.state_dict()})
    assert not weights, f"not copied: {list(weights)}"
    return ours, theirs


def ours_in_their_order(network: XTask, image: Tensor) -> list[Tensor]:
    """Return segmentation, transferred segmentation, depth and transferred depth."""
    final, auxiliary, _ = network(image)
    transferred = auxiliary["transferred"] if network.training else network.transfer(final)
    return [final["semseg"], transferred["semseg"], final["depth"], transferred["depth"]]


def largest(ours: Iterable[Tensor], theirs: Iterable[Tensor]) -> float:
    """Return the largest relative difference."""
    return max(float((x - y).detach().norm() / y.detach().norm()) for x, y in zip(ours, theirs, strict=True))


def gradients(loss: Tensor, network: nn.Module, names: Sequence[str]) -> tuple[Tensor, ...]:
    parameters = dict(network.named_parameters())
    return torch.autograd.grad(loss, [parameters[name] for name in names])


def largest_slope(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> float:
    """Return the largest relative difference of gradients.

    Gradients that consist only of rounding errors, as of a bias before a norm, are left out.
    """
    floor = 1e-9 * max(float(slope.norm()) for slope in theirs)
    real = [(x, y) for x, y in zip(ours, theirs, strict=True) if y.norm() > floor]
    return largest(*zip(*real, strict=True))


def compare(depth: int, batch_norm: bool, wide: bool) -> str:
    """Return a row for the table of outputs and gradients."""
    ours, theirs = pair(depth, batch_norm, wide)
    image = torch.rand(2, 3, *SIZE, dtype=torch.float64)
    normalized = ours.encoder.normalize(image)
    names = [name for name, _ in ours.named_parameters()]
    their_names = [theirs_of(name, batch_norm) for name in names]
    cells = []
    for training in (True, False):
        ours.train(training)
        theirs.train(training)
        our_outputs, their_outputs = ours_in_their_order(ours, image), list(theirs(normalized))
        weights = [torch.randn_like(x) for x in their_outputs]
        our_slopes = gradients(weighted_sum(our_outputs, weights), ours, names)
        their_slopes = gradients(weighted_sum(their_outputs, weights), theirs, their_names)
        cells += [largest(our_outputs, their_outputs), largest_slope(our_slopes, their_slopes)]
    parameters = sum(p.numel() for p in ours.parameters())
    return row(f"ResNet-{depth}", yes(batch_norm), yes(wide), f"{parameters:,}", *(f"{cell:.1e}" for cell in cells))


def compare_losses(direct: str, smoothing: float, method: str) -> str:
    """Return a row for the table of losses."""
    from module import XTaskLoss  # type: ignore[import-not-found]

    ours, theirs = pair(18, False, False)
    image = torch.rand(2, 3, *SIZE, dtype=torch.float64)
    label = torch.randint(0, CLASSES, (2, *SIZE))
    inverse = torch.rand(2, 1, *SIZE, dtype=torch.float64) * 0.4 + 0.01
    everywhere = torch.ones(2, 1, *SIZE, dtype=torch.float64)

    loss_type: Any = {"image_loss_type": direct, "label_smoothing": smoothing, "method": method}
    criterion = XTaskLoss(num_classes=CLASSES, **loss_type)
    output = theirs(ours.encoder.normalize(image))
    their_depth, their_segmentation = criterion(output, label, inverse, everywhere, everywhere)

    tasks: dict[str, Task] = {
        "semseg": SemanticSegmentation(CITYSCAPES_7),
        "depth": Depth(representation="inverse", loss=LOSSES[direct]),
    }
    valid = torch.ones(2, *SIZE, dtype=torch.bool)
    targets = {"semseg": Target(label, valid), "depth": Target(1 / inverse, valid)}
    if method == "xtsc":
        smoothed = CrossEntropy(label_smoothing=smoothing * CLASSES / (CLASSES - 1))
        objective = CrossTaskConsistency(losses={"semseg": smoothed, "depth": L1()})
    else:
        objective = CrossTaskConsistency(target="truth")
    outputs = ours(image)
    losses = objective(tasks, outputs.final, outputs.auxiliary, targets)
    our_losses, their_losses = [losses["semseg"], losses["depth"]], [their_segmentation, their_depth]
    names = [name for name, _ in ours.named_parameters()]
    our_slopes = gradients(our_losses[0] + our_losses[1], ours, names)
    their_slopes = gradients(their_losses[0] + their_losses[1], theirs, [theirs_of(name, False) for name in names])
    difference = largest_slope(our_slopes, their_slopes)
    return row(direct, str(smoothing), method, f"{largest(our_losses, their_losses):.1e}", f"{difference:.1e}")


def weighted_sum(maps: Sequence[Tensor], weights: Sequence[Tensor]) -> Tensor:
    return torch.stack([(x * w).sum() for x, w in zip(maps, weights, strict=True)]).sum()


def yes(flag: bool) -> str:
    return "yes" if flag else "no"


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def encoder_of_torchvision(_: str, name: str, pretrained: bool = False) -> nn.Module:
    """Return an encoder with random weights, as a replacement of ``torch.hub.load``."""
    network: nn.Module = getattr(torchvision.models, name)(weights=None)
    return network


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path, help="a checkout of github.com/akarimoon/xtask_mt")
    path = parser.parse_args().path
    if not (path / "model" / "xtask_ts.py").is_file():
        raise SystemExit(f"{path} is not a checkout of github.com/akarimoon/xtask_mt")
    sys.path.insert(0, str(path))
    # They load torchvision's encoder from the hub, and fall back to a ResNet-34 at any depth: provide the right one.
    torch.hub.load = encoder_of_torchvision  # type: ignore[assignment]
    warnings.filterwarnings("ignore")

    columns = ["outputs", "gradients", "outputs, evaluation", "gradients, evaluation"]
    print(row("encoder", "batch norm", "wide", "parameters", *columns))
    print(row(*["---"] * 3, *["---:"] * 5))
    for variant in VARIANTS:
        print(compare(*variant), flush=True)
    print()
    print(row("direct depth", "label smoothing", "method", "losses", "gradients"))
    print(row(*["---"] * 3, *["---:"] * 2))
    for setting in [*((name, 0.0, "xtsc") for name in LOSSES), ("L1", 0.1, "xtsc"), ("L1", 0.0, "xtc")]:
        print(compare_losses(*setting), flush=True)


if __name__ == "__main__":
    main()
