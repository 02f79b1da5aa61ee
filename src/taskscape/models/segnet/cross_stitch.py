"""One SegNet per task, joined after every stage by learnt mixtures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from taskscape.models.layers.blocks import PerTask
from taskscape.models.base import Network, NetworkConfig, Outputs
from taskscape.models.segnet.blocks import (
    WIDTHS,
    decoder_channels,
    encoder_channels,
    head,
    initialise,
    pool,
    stage,
    unpool,
)


@dataclass(frozen=True)
class SegnetCrossStitchConfig(NetworkConfig):
    """A trunk per task, each of whose stages reads a mixture of all tasks' features."""

    name: ClassVar[str] = "segnet-cross-stitch"
    paper: ClassVar[str] = "Misra et al., CVPR 2016 (cross-stitch), as in Liu et al., CVPR 2019"

    widths: tuple[int, ...] = WIDTHS
    """Channels of each stage; the image is halved as often as there are stages."""

    def build(self, outputs: Mapping[str, int]) -> Network:
        """Build the network."""
        return SegnetCrossStitch(outputs, self)


class CrossStitch(nn.Module):
    """A learnt mixture of the tasks' features: one weight per task, all starting at 1.

    Misra et al. have a mixture for each task; Liu et al. give every task the same one, as here.
    """

    def __init__(self, tasks: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(tasks))

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Return Σ weight·features."""
        return torch.stack([w * x for w, x in zip(self.weight, features, strict=True)]).sum(0)


class SegnetCrossStitch(Network):
    """Every stage of a task reads the mixture of all tasks' features, unpooled with the task's own indices."""

    def __init__(self, outputs: Mapping[str, int], options: SegnetCrossStitchConfig) -> None:
        super().__init__(outputs)
        down, up = encoder_channels(options.widths), decoder_channels(options.widths)
        self.encoder = nn.ModuleList(PerTask({task: stage(one) for task in outputs}) for one in down)
        self.encoder_stitches = nn.ModuleList(CrossStitch(len(outputs)) for _ in down)
        self.decoder = nn.ModuleList(PerTask({task: stage(one) for task in outputs}) for one in up)
        self.decoder_stitches = nn.ModuleList(CrossStitch(len(outputs)) for _ in up[1:])
        self.heads = PerTask({task: head(options.widths[0], channels) for task, channels in outputs.items()})
        initialise(self, nn.init.xavier_uniform_)

    def shared_modules(self) -> tuple[nn.Module, ...]:
        """Everything up to the last stitch, since through it every task's loss reaches every trunk."""
        return self.encoder, self.encoder_stitches, self.decoder_stitches, self.decoder[:-1]

    def forward(self, image: Tensor) -> Outputs:
        """Predict every task."""
        x, pools = image, []
        for down, stitch in zip(self.encoder, self.encoder_stitches, strict=True):
            features = down(dict.fromkeys(self.outputs, x))
            pools.append({task: pool(feature) for task, feature in features.items()})
            x = stitch([pooled.features for pooled in pools[-1].values()])
        for up, stitch, pools_of in zip(self.decoder, [*self.decoder_stitches, None], reversed(pools), strict=True):
            features = up({task: unpool(x, pooled) for task, pooled in pools_of.items()})
            if stitch is not None:
                x = stitch(list(features.values()))
        return Outputs(self.heads(features), {}, ())
