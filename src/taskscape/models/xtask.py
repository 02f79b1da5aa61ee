"""Cross-task consistency: a task's prediction, transferred to another task, must agree with that task's own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from taskscape.models.base import Network, Outputs
from taskscape.models.layers.encoder import EncoderConfig
from taskscape.models.layers.resize import resize_like
from taskscape.models.layers.shared_features import shared_features
from taskscape.models.tasks import class_tasks, known_tasks, ring, tasks_of_classes

if TYPE_CHECKING:
    from taskscape.tasks import Task


@dataclass(frozen=True)
class XTaskConfig(EncoderConfig):
    """One encoder, a decoder per task, and networks that transfer each task's prediction to the next task.

    31,562,560 parameters for 19 classes and depth. ``models.tasks.ring`` pairs source and target tasks. In training the
    network also returns the transferred predictions, for the objective ``CrossTaskConsistency``::

        >>> import torch
        >>> from taskscape.models import XTask
        >>> network = XTask({"semseg": 19, "depth": 1}, encoder="resnet18")
        >>> outputs = network(torch.rand(2, 3, 64, 128))
        >>> {task: tuple(raw.shape) for task, raw in outputs.auxiliary["transferred"].items()}
        {'depth': (2, 1, 64, 128), 'semseg': (2, 19, 64, 128)}
    """

    name: ClassVar[str] = "xtask"
    paper: ClassVar[str] = "Nakano et al., arXiv 2111.14122 (XTasC-Net)"
    link: ClassVar[str] = "https://arxiv.org/abs/2111.14122"

    batch_norm: bool = False
    """Use batch normalization in the transfer networks."""
    wide: bool = False
    """Double the width of the transfer networks."""
    zero_init_last: bool = True
    """Initialize the last batch norm of every residual block of a randomly initialized ResNet to zero, so that the
    block starts as the identity. timm does this; torchvision and the paper do not. No effect on encoders without such
    blocks."""
    class_tasks: tuple[str, ...] | None = None
    """Tasks whose outputs are class scores, which are transferred as log-probabilities. By default the tasks that
    predict classes; if only the channels are known, those with more than three."""

    @override
    def check(self, tasks: Mapping[str, "Task"]) -> None:
        super().check(tasks)
        known_tasks("class_tasks", self.class_tasks or (), tasks)

    @override
    def for_tasks(self, tasks: Mapping[str, "Task"]) -> Self:
        return self if self.class_tasks is not None else replace(self, class_tasks=class_tasks(tasks))


class Decoder(nn.Module):
    """From coarse to fine: three 3×3 convolutions of width 128, upsampling, concatenation with the encoder's level."""

    def __init__(self, channels: Sequence[int], outputs: int) -> None:
        super().__init__()
        deepest, *skips = reversed(channels)
        inputs = [deepest, *(128 + skip for skip in skips)]
        self.blocks = nn.ModuleList(_convolutions([i, 128, 128, 128]) for i in inputs)
        self.head = nn.Conv2d(128, outputs, 1, bias=False)
        _initialize(self)

    def forward(self, pyramid: Sequence[Tensor], image: Tensor) -> Tensor:
        """Return the raw map at the size of the image."""
        x, *skips = reversed(pyramid)
        for block, skip in zip(self.blocks, skips, strict=False):
            x = torch.cat([_upsample_like(block(x), skip), skip], 1)
        raw: Tensor = self.head(_upsample_like(self.blocks[-1](x), image))
        return raw


class TransferNetwork(nn.Module):
    """Maps one task's raw map to another's: three steps down and three up, with skips between equal scales."""

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
        _initialize(self)

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


class XTask(Network, config=XTaskConfig):
    """Encoder → for each task: decoder with skips of all scales → prediction; in training → transfer to the next."""

    def __init__(self, out_channels: Mapping[str, int], config: XTaskConfig | None = None, **options: Any) -> None:
        super().__init__(out_channels)
        config = XTaskConfig.of(config, options)
        self.class_tasks: tuple[str, ...] = tasks_of_classes("class_tasks", config.class_tasks, out_channels)
        self.encoder = config.build_encoder()
        if not config.zero_init_last and config.pretrained is False:
            self.encoder.start_last_norms_at_one()
        self.decoders = nn.ModuleDict({task: Decoder(self.encoder.channels, n) for task, n in out_channels.items()})
        self.transfers = nn.ModuleDict(
            {
                source: TransferNetwork(out_channels[source], out_channels[target], config.batch_norm, config.wide)
                for source, target in ring(out_channels)
            }
        )

    @override
    def shared_modules(self) -> tuple[nn.Module, ...]:
        return (self.encoder,)

    @override
    def layers_by_task(self) -> tuple[nn.ModuleDict, ...]:
        return (self.decoders,)

    @override
    def forward(self, image: Tensor) -> Outputs:
        """Predict every task for a (B, 3, H, W) batch and, in training, transfer every prediction."""
        pyramid = shared_features(*self.encoder(image))
        final = {task: decoder(pyramid, image) for task, decoder in self.decoders.items()}
        auxiliary = {"transferred": self.transfer(final)} if self.training and self.transfers else {}
        return Outputs(final, auxiliary, pyramid)

    @override
    def transfer(self, final: Mapping[str, Tensor]) -> dict[str, Tensor]:
        inputs = {task: F.log_softmax(raw, 1) if task in self.class_tasks else raw for task, raw in final.items()}
        return {target: self.transfers[source](inputs[source]) for source, target in ring(final)}


def _convolutions(widths: Sequence[int], batch_norm: bool = True) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        norm = [nn.BatchNorm2d(outputs)] if batch_norm else []
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), *norm, nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def _upsample_like(x: Tensor, reference: Tensor) -> Tensor:
    return resize_like(x, reference, align_corners=True)


def _initialize(module: nn.Module) -> None:
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.xavier_normal_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
