"""Do our SegNet and MTAN networks compute the same as their authors'? ``original_mtan.py CHECKOUT`` answers.

CHECKOUT is a copy of the authors' repository (github.com/lorenmt/mtan). Its scripts parse arguments and train when they
are imported, so only the definitions are extracted from them. Each pair of networks gets the same weights and the same
random images, in float64. Outputs and gradients are compared in training mode (batch statistics) and then in evaluation
mode (the running statistics of that step). A difference is ‖theirs - ours‖ / ‖theirs‖, the maximum over the tasks or,
for gradients in evaluation mode, over the parameters. In training mode it is that of the whole gradient, since batch
norms cancel the biases before them, whose gradients are rounding errors.
"""

import argparse
import ast
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from taskscape import models

TASKS = {"semantic": 13, "depth": 1, "normal": 3}
"""The authors' tasks, in their order."""
IMAGE = (64, 96)
TOLERANCE = 1e-9

Pairs = list[tuple[nn.Module | Tensor, nn.Module]]
"""Corresponding modules of two networks, theirs first, with their tensors in the same order; a parameter of theirs
stands for its rows."""


def definitions(*files: Path, **names: Any) -> dict[str, Any]:
    """Return the classes and functions that Python files define, without running any other code."""
    namespace: dict[str, Any] = {"torch": torch, "nn": nn, "F": F, **names}
    for file in files:
        tree = ast.parse(file.read_text())
        tree.body = [node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
        exec(compile(tree, str(file), "exec"), namespace)
    return namespace


def segnet(checkout: Path, script: str, **arguments: str) -> nn.Module:
    """Return the network of one of the authors' scripts, as if it ran with these arguments."""
    file = checkout / "im2im_pred" / f"model_segnet_{script}.py"
    network: nn.Module = definitions(file, opt=SimpleNamespace(**arguments))["SegNet"]()
    return network


def resnet(checkout: Path) -> nn.Module:
    """Return the authors' ResNet version, with random instead of downloaded weights and without dropout."""
    folder = checkout / "im2im_pred" / "model_resnet_mtan"
    backbone = definitions(folder / "resnet.py")
    parts = definitions(
        *(folder / name for name in ("resnet_dilated.py", "aspp.py", "resnet_mtan.py")),
        resnet=SimpleNamespace(resnet50=lambda pretrained: backbone["resnet50"](pretrained=False)),
        Bottleneck=backbone["Bottleneck"],
        conv1x1=backbone["conv1x1"],
    )
    network: nn.Module = parts["MTANDeepLabv3"]()
    network.forward = partial(network.forward, out_size=IMAGE)
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return network


def by_task(stages: Iterable[nn.ModuleDict]) -> list[nn.ModuleList]:
    """Regroup modules per stage and task into modules per task and stage."""
    return [nn.ModuleList(modules) for modules in zip(*(stage.values() for stage in stages), strict=True)]


def trunk_pairs(theirs: Any, encoder: Iterable[Any], decoder: Sequence[Any]) -> Pairs:
    """Pair the trunks: theirs has lists of first and further units, from fine to coarse; our decoders start coarse."""
    theirs_down = zip(theirs.encoder_block, theirs.conv_block_enc, strict=True)
    theirs_up = zip(theirs.decoder_block, theirs.conv_block_dec, strict=True)
    stages = [*zip(theirs_down, encoder, strict=True), *zip(theirs_up, decoder[::-1], strict=True)]
    return [(nn.ModuleList(units), stage) for units, stage in stages]


def attention_pairs(theirs: Any, ours: Any) -> Pairs:
    encoder = [nn.ModuleList(units) for units in zip(ours.encoder_first, ours.encoder_further, strict=True)]
    return [
        *trunk_pairs(theirs, encoder, ours.decoder),
        (theirs.encoder_block_att, ours.encoder_shared),
        (theirs.decoder_block_att, ours.decoder_shared[::-1]),
        *zip(theirs.encoder_att, by_task(ours.encoder_masks), strict=True),
        *zip(theirs.decoder_att, by_task(ours.decoder_masks[::-1]), strict=True),
    ]


def head_pairs(theirs: Any, heads: Iterable[nn.Module]) -> Pairs:
    return list(zip([theirs.pred_task1, theirs.pred_task2, theirs.pred_task3], heads, strict=True))


def single_pairs(theirs: Any, ours: Any) -> Pairs:
    trunk, head = next(iter(ours.branches.values()))
    return [*trunk_pairs(theirs, trunk.encoder, trunk.decoder), (theirs.pred_task, head)]


def stan_pairs(theirs: Any, ours: Any) -> Pairs:
    (trunk,), (head,) = ours.trunks.values(), ours.heads.values()
    return [*attention_pairs(theirs, trunk), (theirs.pred_task, head)]


def split_pairs(theirs: Any, ours: Any) -> Pairs:
    trunk = trunk_pairs(theirs, ours.trunk.encoder, ours.trunk.decoder)
    return [*trunk, *head_pairs(theirs, ours.heads.values())]


def mtan_pairs(theirs: Any, ours: Any) -> Pairs:
    return [*attention_pairs(theirs, ours.trunk), *head_pairs(theirs, ours.heads.values())]


def cross_stitch_pairs(theirs: Any, ours: Any) -> Pairs:
    """Pair cross-stitch networks: their stitches are rows of two parameters; the bottleneck's is in their decoder."""
    return [
        (theirs.cs_unit_encoder, ours.encoder_stitches[:-1]),
        (theirs.cs_unit_decoder, nn.ModuleList([ours.encoder_stitches[-1], *ours.decoder_stitches])),
        *zip(theirs.encoder_block_t, by_task(ours.encoder), strict=True),
        *zip(theirs.decoder_block_t, by_task(ours.decoder[::-1]), strict=True),
        *head_pairs(theirs, ours.heads.values()),
    ]


def dense_pairs(theirs: Any, ours: Any) -> Pairs:
    """Pair dense networks: their shared trunk has a last decoder stage that nothing reads, and which ours lacks."""
    branches = list(ours.branches.values())
    return [
        (theirs.encoder_block, ours.encoder),
        (theirs.decoder_block[1:], ours.decoder[::-1]),
        *zip(theirs.encoder_block_t, (branch.encoder for branch in branches), strict=True),
        *zip(theirs.decoder_block_t, (branch.decoder[::-1] for branch in branches), strict=True),
        *head_pairs(theirs, (branch.head for branch in branches)),
    ]


def resnet_pairs(theirs: Any, ours: Any) -> Pairs:
    """Pair ResNet versions: each of their stages is split into all blocks but the last (b) and the last (t)."""
    # Ours normalizes the image as the weights of the backbone require; theirs does not.
    ours.encoder.mean.zero_()
    ours.encoder.std.fill_(1)
    numbers = (1, 2, 3, 4)
    stages = [[getattr(theirs, f"shared_layer{n}_b"), getattr(theirs, f"shared_layer{n}_t")] for n in numbers]
    masks = [(getattr(theirs, f"encoder_att_{n}"), ours.masks[n - 1]) for n in numbers]
    shared = [(getattr(theirs, f"encoder_block_att_{n}"), ours.shared[n - 1]) for n in numbers[:-1]]
    backbone = nn.ModuleList([theirs.shared_conv, *(nn.ModuleList(stage) for stage in stages)])
    heads = zip(theirs.decoders, ours.heads.values(), strict=True)
    return [(backbone, ours.encoder), *masks, *shared, *heads]


def values(part: nn.Module | Tensor) -> list[Tensor]:
    return list(part.detach()) if isinstance(part, Tensor) else list(part.state_dict().values())


def gradients(part: nn.Module | Tensor) -> list[Tensor]:
    if isinstance(part, Tensor):
        return [] if part.grad is None else list(part.grad)
    return [parameter.grad for parameter in part.parameters() if parameter.grad is not None]


def copy_weights(pairs: Pairs) -> None:
    for theirs, ours in pairs:
        for source, target in zip(values(theirs), values(ours), strict=True):
            assert source.shape == target.shape
            target.copy_(source)


def difference(theirs: Sequence[Tensor], ours: Sequence[Tensor]) -> float:
    """Return ‖theirs - ours‖ / ‖theirs‖ over all tensors together."""
    ours_flat, theirs_flat = (torch.cat([x.detach().flatten() for x in tensors]) for tensors in (ours, theirs))
    return float((theirs_flat - ours_flat).norm() / theirs_flat.norm())


def their_outputs(theirs: nn.Module, images: Tensor) -> list[Tensor]:
    """Return the outputs of one of their networks, which also return weights of losses, or a single map."""
    outputs = theirs(images)
    if isinstance(outputs, Tensor):
        return [outputs]
    return outputs[0] if isinstance(outputs[0], list) else outputs


def finished(final: Mapping[str, Tensor]) -> list[Tensor]:
    """Apply the last operations of their networks to our raw maps."""
    ends: dict[str, Callable[[Tensor], Tensor]] = {
        "semantic": lambda x: F.log_softmax(x, dim=1),
        "normal": lambda x: x / x.norm(dim=1, keepdim=True),
    }
    return [ends[task](x) if task in ends else x for task, x in final.items()]


def compare(theirs: nn.Module, ours: models.Network, mapping: Callable[[Any, Any], Pairs]) -> list[float]:
    """Return the differences of outputs and gradients in training mode, then in evaluation mode."""
    theirs, ours = theirs.double(), ours.double()
    with torch.no_grad():
        for parameter in theirs.parameters():  # so that no scale, bias or stitch keeps its initial 1 or 0
            parameter.add_(0.01 * torch.randn_like(parameter))
        pairs = mapping(theirs, ours)
        copy_weights(pairs)
    mapped = sum(x.numel() for _, part in pairs for x in part.parameters())
    assert mapped == sum(x.numel() for x in ours.parameters()), "the mapping leaves out a part of ours"

    images = torch.rand(2, 3, *IMAGE, dtype=torch.float64)
    differences = []
    for training in (True, False):
        outputs = []
        for network in (theirs, ours):
            network.train(training).zero_grad()
            outputs.append(their_outputs(network, images) if network is theirs else finished(network(images).final))
            generator = torch.Generator().manual_seed(1)
            weights = [torch.randn(x.shape, generator=generator, dtype=x.dtype) for x in outputs[-1]]
            torch.stack([(w * x).mean() for w, x in zip(weights, outputs[-1], strict=True)]).sum().backward()
        differences.append(max(difference([a], [b]) for a, b in zip(*outputs, strict=True)))
        parameters = [gradient_pair for pair in pairs for gradient_pair in zip(*map(gradients, pair), strict=True)]
        if training:
            differences.append(difference(*zip(*parameters, strict=True)))
        else:
            differences.append(max(difference([a], [b]) for a, b in parameters))
    return differences


class Comparison(NamedTuple):
    ours: str
    theirs: Callable[[Path], nn.Module]
    mapping: Callable[[Any, Any], Pairs]
    tasks: Mapping[str, int] = TASKS
    options: Mapping[str, Any] = {}


COMPARISONS = [
    *(
        Comparison(f"segnet-{script}", partial(segnet, script=script, task=task), mapping, {task: TASKS[task]})
        for script, mapping in (("single", single_pairs), ("stan", stan_pairs))
        for task in TASKS
    ),
    Comparison("segnet-split", partial(segnet, script="split", type="standard"), split_pairs),
    Comparison("segnet-split-deep", partial(segnet, script="split", type="deep"), split_pairs),
    Comparison("segnet-split-wide", partial(segnet, script="split", type="wide"), split_pairs),
    Comparison("segnet-cross-stitch", partial(segnet, script="cross"), cross_stitch_pairs),
    Comparison("segnet-dense", partial(segnet, script="dense"), dense_pairs),
    Comparison("segnet-mtan", partial(segnet, script="mtan"), mtan_pairs),
    Comparison("resnet-mtan", resnet, resnet_pairs, options={"dropout": 0.0}),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path, help="the authors' repository")
    parser.add_argument("--only", help="only this network")
    arguments = parser.parse_args()
    print("| network | tasks | parameters | training: outputs | gradients | evaluation: outputs | gradients |")
    print("|---|---|---|---|---|---|---|")
    worst = 0.0
    for comparison in COMPARISONS:
        if arguments.only not in (None, comparison.ours):
            continue
        torch.manual_seed(0)
        ours = models.build(comparison.ours, comparison.tasks, **comparison.options)
        differences = compare(comparison.theirs(arguments.checkout), ours, comparison.mapping)
        count = sum(parameter.numel() for parameter in ours.parameters())
        cells = " | ".join(f"{x:.0e}" for x in differences)
        print(f"| {comparison.ours} | {', '.join(comparison.tasks)} | {count:,} | {cells} |", flush=True)
        worst = max(worst, *differences)
    if not worst < TOLERANCE:
        raise SystemExit(f"differs by {worst:.0e}, more than {TOLERANCE:.0e}")


if __name__ == "__main__":
    main()
