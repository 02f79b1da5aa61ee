"""A shared SegNet, and for each task a full SegNet that reads the shared features at every stage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from taskscape.models.layers.blocks import cut
from taskscape.models.base import Network, NetworkConfig, Outputs
from taskscape.models.segnet.blocks import (
    WIDTHS,
    decoder_channels,
    encoder_channels,
    head,
    initialise,
    pool,
    stages,
    unpool,
)


@dataclass(frozen=True)
class SegnetDenseConfig(NetworkConfig):
    """A shared trunk, and a trunk per task that reads it."""

    name: ClassVar[str] = "segnet-dense"
    paper: ClassVar[str] = "Liu et al., CVPR 2019 (dense)"

    widths: tuple[int, ...] = WIDTHS
    """Channels of each stage; the image is halved as often as there are stages."""

    def build(self, outputs: Mapping[str, int]) -> Network:
        """Build the network."""
        return SegnetDense(outputs, self)


class TaskTrunk(nn.Module):
    """A task's SegNet: each stage reads its own features and the shared ones of the same place."""

    def __init__(self, widths: Sequence[int], channels: int) -> None:
        super().__init__()
        first, *further = encoder_channels(widths)
        *coarse, (_, *finest) = decoder_channels(widths)
        self.encoder = stages([first, *([2 * inputs, *rest] for inputs, *rest in further)])
        # The finest stage narrows in its last convolution only: 128 → 128 → 64.
        finest = [2 * widths[0], *[2 * width for width in finest[:-1]], finest[-1]]
        self.decoder = stages([*([2 * inputs, *rest] for inputs, *rest in coarse), finest])
        self.head = head(widths[0], channels)

    def forward(self, image: Tensor, pooled: Sequence[Tensor], unpooled: Sequence[Tensor]) -> Tensor:
        """Return the task's raw map at the size of the image, given the shared trunk's pooled and unpooled features."""
        own = pool(self.encoder[0](image))
        pools = [own]
        for down, shared in zip(self.encoder[1:], pooled, strict=True):
            pools.append(pool(down(torch.cat([pools[-1].features, shared], 1))))
        x = pools[-1].features
        for up, own, shared in zip(self.decoder, reversed(pools), unpooled, strict=True):
            x = up(torch.cat([unpool(x, own), shared], 1))
        output: Tensor = self.head(x)
        return output


class SegnetDense(Network):
    """Shared trunk → for each task: a trunk that reads it at every stage → head."""

    def __init__(self, outputs: Mapping[str, int], options: SegnetDenseConfig) -> None:
        super().__init__(outputs)
        self.encoder = stages(encoder_channels(options.widths))
        self.decoder = stages(decoder_channels(options.widths)[:-1])  # nothing would read the finest stage
        self.branches = nn.ModuleDict({task: TaskTrunk(options.widths, channels) for task, channels in outputs.items()})
        initialise(self, nn.init.xavier_uniform_)

    def shared_modules(self) -> tuple[nn.Module, ...]:
        """The shared trunk."""
        return self.encoder, self.decoder

    def forward(self, image: Tensor) -> Outputs:
        """Predict every task."""
        x, pools = image, []
        for down in self.encoder:
            pools.append(pool(down(x)))
            x = pools[-1].features
        ups = [unpool(x, pools[-1])]
        for up, own in zip(self.decoder, pools[-2::-1], strict=True):
            ups.append(unpool(up(ups[-1]), own))
        shared = cut(*(own.features for own in pools[:-1]), *ups)
        pooled, unpooled = shared[: len(pools) - 1], shared[len(pools) - 1 :]
        return Outputs({task: branch(image, pooled, unpooled) for task, branch in self.branches.items()}, {}, shared)
