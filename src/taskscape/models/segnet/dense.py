"""A shared SegNet, and for each task a complete SegNet that reads the shared features at every stage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from taskscape.models.base import Network, Outputs
from taskscape.models.layers.shared_features import shared_features
from taskscape.models.segnet.head import Head
from taskscape.models.segnet.pooling import pool, unpool
from taskscape.models.segnet.stages import SegnetConfig, decoder_channels, encoder_channels, initialize, stages


@dataclass(frozen=True)
class SegnetDenseConfig(SegnetConfig):
    """A shared trunk, and a trunk per task that reads its features.

    123,699,409 parameters for 13 classes, depth and normals. The shared features are those of every stage.
    """

    name: ClassVar[str] = "segnet-dense"
    paper: ClassVar[str] = "Liu et al., CVPR 2019 (dense)"
    link: ClassVar[str] = "https://arxiv.org/abs/1803.10704"


class TaskTrunk(nn.Module):
    """A task's SegNet: each stage reads the task's features and the shared features at the same position."""

    def __init__(self, widths: Sequence[int], channels: int) -> None:
        super().__init__()
        first, *further = encoder_channels(widths)
        *coarse, (_, *finest) = decoder_channels(widths)
        self.encoder = stages([first, *([2 * inputs, *rest] for inputs, *rest in further)])
        # The finest stage reduces its width only in the last convolution: 128 → 128 → 64.
        finest = [2 * widths[0], *[2 * width for width in finest[:-1]], finest[-1]]
        self.decoder = stages([*([2 * inputs, *rest] for inputs, *rest in coarse), finest])
        self.head = Head(widths[0], channels)

    def forward(self, image: Tensor, pooled: Sequence[Tensor], unpooled: Sequence[Tensor]) -> Tensor:
        """Return the task's raw map at image size, from the image and the shared pooled and unpooled features."""
        pools = [pool(self.encoder[0](image))]
        for down, shared in zip(self.encoder[1:], pooled, strict=True):
            pools.append(pool(down(torch.cat([pools[-1].features, shared], 1))))
        x = pools[-1].features
        for up, encoder_pool, shared in zip(self.decoder, reversed(pools), unpooled, strict=True):
            x = up(torch.cat([unpool(x, encoder_pool), shared], 1))
        output: Tensor = self.head(x)
        return output


class SegnetDense(Network, config=SegnetDenseConfig):
    """Shared trunk → for each task: a trunk that reads the shared features at every stage → head."""

    def __init__(
        self, out_channels: Mapping[str, int], config: SegnetDenseConfig | None = None, **options: Any
    ) -> None:
        super().__init__(out_channels)
        widths = SegnetDenseConfig.of(config, options).widths
        self.encoder = stages(encoder_channels(widths))
        self.decoder = stages(decoder_channels(widths)[:-1])  # nothing would read the finest stage
        self.branches = nn.ModuleDict({task: TaskTrunk(widths, channels) for task, channels in out_channels.items()})
        initialize(self, nn.init.xavier_uniform_)

    @override
    def shared_modules(self) -> tuple[nn.Module, ...]:
        return self.encoder, self.decoder

    @override
    def layers_by_task(self) -> tuple[nn.ModuleDict, ...]:
        return (self.branches,)

    @override
    def forward(self, image: Tensor) -> Outputs:
        x, pools = image, []
        for down in self.encoder:
            pools.append(pool(down(x)))
            x = pools[-1].features
        unpooled = [unpool(x, pools[-1])]
        for up, encoder_pool in zip(self.decoder, pools[-2::-1], strict=True):
            unpooled.append(unpool(up(unpooled[-1]), encoder_pool))
        shared = shared_features(*(pooled.features for pooled in pools[:-1]), *unpooled)
        all_pooled, all_unpooled = shared[: len(pools) - 1], shared[len(pools) - 1 :]
        return Outputs(
            {task: branch(image, all_pooled, all_unpooled) for task, branch in self.branches.items()}, {}, shared
        )
