"""One SegNet per task, with a learned mixture of all tasks' features after every stage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from taskscape.models.base import Network, Outputs, main_path
from taskscape.models.layers.per_task import PerTask
from taskscape.models.segnet.head import Head
from taskscape.models.segnet.pooling import pool, unpool
from taskscape.models.segnet.stages import SegnetConfig, decoder_channels, encoder_channels, initialize, stage


@dataclass(frozen=True)
class SegnetCrossStitchConfig(SegnetConfig):
    """A trunk per task; each stage reads a mixture of all tasks' features.

    74,941,804 parameters for 13 classes, depth and normals. There are no shared features, since the tasks are mixed at
    every stage.
    """

    name: ClassVar[str] = "segnet-cross-stitch"
    paper: ClassVar[str] = "Misra et al., CVPR 2016 (cross-stitch), as in Liu et al., CVPR 2019"
    link: ClassVar[str] = "https://arxiv.org/abs/1604.03539"


class CrossStitch(nn.Module):
    """A learned mixture of the tasks' features: one weight per task, all starting at 1.

    Misra et al. learn a separate mixture for each task; Liu et al. use the same mixture for all tasks, as here.
    """

    def __init__(self, tasks: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(tasks))

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Return Σ weight·features."""
        return torch.stack([w * x for w, x in zip(self.weight, features, strict=True)]).sum(0)


class SegnetCrossStitch(Network, config=SegnetCrossStitchConfig):
    """For each task: stages that read the mixture of all tasks' features, unpooled with the task's indices → head."""

    has_shared_features = False

    def __init__(
        self, out_channels: Mapping[str, int], config: SegnetCrossStitchConfig | None = None, **options: Any
    ) -> None:
        super().__init__(out_channels)
        widths = SegnetCrossStitchConfig.of(config, options).widths
        down, up = encoder_channels(widths), decoder_channels(widths)
        self.encoder = nn.ModuleList(
            PerTask({task: stage(stage_channels) for task in out_channels}) for stage_channels in down
        )
        self.encoder_stitches = nn.ModuleList(CrossStitch(len(out_channels)) for _ in down)
        self.decoder = nn.ModuleList(
            PerTask({task: stage(stage_channels) for task in out_channels}) for stage_channels in up
        )
        self.decoder_stitches = nn.ModuleList(CrossStitch(len(out_channels)) for _ in up[1:])
        self.heads = PerTask({task: Head(widths[0], channels) for task, channels in out_channels.items()})
        initialize(self, nn.init.xavier_uniform_)

    @override
    def shared_modules(self) -> tuple[nn.Module, ...]:
        """Return all modules up to the last stitch, through which every task's loss reaches every trunk."""
        return self.encoder, self.encoder_stitches, self.decoder_stitches, self.decoder[:-1]

    @override
    def last_shared_layers(self) -> tuple[nn.Module, ...]:
        """Return each task's last layer before the last stitch: all losses pass through these parallel layers."""
        last: PerTask = [*self.encoder, *self.decoder[:-1]][-1]
        return tuple(main_path(module)[-1] for module in last.values())

    @override
    def layers_by_task(self) -> tuple[nn.ModuleDict, ...]:
        """Return the layers after the last stitch; before it, all tasks read each other."""
        last: PerTask = [*self.decoder][-1]
        return last, self.heads

    @override
    def forward(self, image: Tensor) -> Outputs:
        x, pools = image, []
        for down, stitch in zip(self.encoder, self.encoder_stitches, strict=True):
            features = down(dict.fromkeys(self.out_channels, x))
            pools.append({task: pool(feature) for task, feature in features.items()})
            x = stitch([pooled.features for pooled in pools[-1].values()])
        for up, stitch, task_pools in zip(self.decoder, [*self.decoder_stitches, None], reversed(pools), strict=True):
            reading_tasks = self.heads if stitch is None else self.out_channels
            features = up({task: unpool(x, task_pools[task]) for task in reading_tasks})
            if stitch is not None:
                x = stitch(list(features.values()))
        return Outputs(self.heads(features), {}, ())
