"""Cross-task consistency: what one task predicts, translated into another, must agree with that other's prediction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from taskscape.models.layers.blocks import cut
from taskscape.models.layers.encoder import Encoder, EncoderConfig
from taskscape.models.base import Network, Outputs


@dataclass(frozen=True)
class XTaskConfig(EncoderConfig):
    """One encoder, a decoder per task, and networks that transfer each task's prediction to the next task.

    Two tasks are transferred to each other. More form a ring in the order of ``outputs``: the first is transferred to
    the second, the last one to the first. One task has no transfer networks.
    """

    name: ClassVar[str] = "xtask"
    paper: ClassVar[str] = "Nakano et al., arXiv 2111.14122 (XTasC-Net)"

    batch_norm: bool = False
    """Batch norm in the transfer networks."""
    wide: bool = False
    """Transfer networks of twice the width."""
    classes: tuple[str, ...] = ("semseg",)
    """Tasks whose outputs are scores of classes: they are transferred as log-probabilities."""

    def build(self, outputs: Mapping[str, int]) -> Network:
        """Build the network."""
        return XTask(outputs, self)


class Decoder(nn.Module):
    """From coarse to fine: three 3×3 convolutions of width 128, upsample, join the encoder's feature of that scale."""

    def __init__(self, channels: Sequence[int], outputs: int) -> None:
        super().__init__()
        deepest, *skips = reversed(channels)
        inputs = [deepest, *(128 + skip for skip in skips)]
        self.blocks = nn.ModuleList(_convolutions([i, 128, 128, 128]) for i in inputs)
        self.head = nn.Conv2d(128, outputs, 1, bias=False)
        _initialise(self)

    def forward(self, pyramid: Sequence[Tensor], image: Tensor) -> Tensor:
        """Return the raw map at the size of the image."""
        x, *skips = reversed(pyramid)
        for block, skip in zip(self.blocks, skips, strict=False):
            x = torch.cat([_upsample_like(block(x), skip), skip], 1)
        raw: Tensor = self.head(_upsample_like(self.blocks[-1](x), image))
        return raw


class TransferNetwork(nn.Module):
    """One task's raw map to another's: three steps down, three up, with skips between those of the same scale."""

    def __init__(self, inputs: int, outputs: int, batch_norm: bool, wide: bool) -> None:
        super().__init__()
        half, quarter, eighth = (128, 256, 512) if wide else (64, 128, 256)
        self.down = nn.ModuleList(
            _convolutions([i, o, o], batch_norm) for i, o in pairwise((inputs, half, quarter, eighth))
        )
        self.up = nn.ModuleList(
            _convolutions([i, o, o], batch_norm) for i, o in ((eighth, quarter), (2 * quarter, half), (2 * half, half))
        )
        self.head = nn.Conv2d(half, outputs, 1, bias=False)
        _initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, outputs, H, W) for (B, inputs, H, W)."""
        maps = [x]
        for down in self.down:
            maps.append(F.max_pool2d(down(maps[-1]), 2))
        whole, half, quarter, eighth = maps
        x = self.up[0](_upsample_like(eighth, quarter))
        x = self.up[1](_upsample_like(torch.cat([x, quarter], 1), half))
        x = self.up[2](_upsample_like(torch.cat([x, half], 1), whole))
        raw: Tensor = self.head(x)
        return raw


class XTask(Network):
    """Encoder → for each task: decoder with skips of all scales → prediction; in training → transferred to the next."""

    def __init__(self, outputs: Mapping[str, int], options: XTaskConfig) -> None:
        super().__init__(outputs)
        self.classes = options.classes
        self.encoder = Encoder(options.encoder, pretrained=options.pretrained)
        self.decoders = nn.ModuleDict({task: Decoder(self.encoder.channels, n) for task, n in outputs.items()})
        self.transfers = nn.ModuleDict(
            {
                source: TransferNetwork(outputs[source], outputs[target], options.batch_norm, options.wide)
                for source, target in self._directions()
            }
        )

    def shared_modules(self) -> tuple[nn.Module, ...]:
        """The encoder."""
        return (self.encoder,)

    def forward(self, image: Tensor) -> Outputs:
        """Predict every task and, in training, transfer every prediction."""
        pyramid = cut(*self.encoder(image))
        final = {task: decoder(pyramid, image) for task, decoder in self.decoders.items()}
        auxiliary = {"transferred": self.transfer(final)} if self.training and self.transfers else {}
        return Outputs(final, auxiliary, pyramid)

    def transfer(self, final: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return for each task the raw map that another task's prediction is transferred to."""
        return {
            target: self.transfers[source](F.log_softmax(final[source], 1) if source in self.classes else final[source])
            for source, target in self._directions()
        }

    def _directions(self) -> list[tuple[str, str]]:
        tasks = list(self.outputs)
        return list(zip(tasks, tasks[1:] + tasks[:1], strict=True)) if len(tasks) > 1 else []


def _convolutions(widths: Sequence[int], batch_norm: bool = True) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        norm = [nn.BatchNorm2d(outputs)] if batch_norm else []
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), *norm, nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def _upsample_like(x: Tensor, reference: Tensor) -> Tensor:
    return F.interpolate(x, size=reference.shape[-2:], mode="bilinear", align_corners=True)


def _initialise(module: nn.Module) -> None:
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.xavier_normal_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
