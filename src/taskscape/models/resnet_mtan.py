"""The multi-task attention network on a dilated ResNet, with a DeepLab head per task."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from taskscape.models.base import Network, Outputs, main_path
from taskscape.models.layers.aspp import ASPP
from taskscape.models.layers.conv import conv_norm_relu
from taskscape.models.layers.encoder import AtrousConfig, Encoder
from taskscape.models.layers.per_task import PerTask
from taskscape.models.layers.resize import resize_like
from taskscape.serialization.ranges import BelowOne, Count


@dataclass(frozen=True)
class ResnetMtanConfig(AtrousConfig):
    """One ResNet for all tasks, and for each task attention masks over the last block of every stage.

    92,347,921 parameters for 13 classes, depth and normals. There are no shared features, since the shared blocks read
    the tasks' attended features.
    """

    name: ClassVar[str] = "resnet-mtan"
    paper: ClassVar[str] = "Liu et al., CVPR 2019 (MTAN), the authors' ResNet version"
    link: ClassVar[str] = "https://arxiv.org/abs/1803.10704"

    encoder: str = "resnet50"
    """Any timm backbone whose stages are sequences of two or more blocks: ResNets, ResNeXts and similar."""
    output_stride: Literal[8, 16, 32] = 8
    """Input pixels per feature of the coarsest level; 32 means no dilation."""
    rates: tuple[Count, ...] = (12, 24, 36)
    """Dilation rates of the ASPP branches."""
    dropout: BelowOne = 0.5
    """Dropout probability of the features after an ASPP."""


class ResidualBlock(nn.Module):
    """A bottleneck block with a projection on its shortcut (He et al., CVPR 2016, https://arxiv.org/abs/1512.03385)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        width = outputs // 4
        self.body = nn.Sequential(
            conv_norm_relu(inputs, width, 1),
            conv_norm_relu(width, width),
            nn.Conv2d(width, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, outputs, h, w) for (B, inputs, h, w)."""
        return F.relu(self.body(x) + self.shortcut(x))


class ResnetMtan(Network, config=ResnetMtanConfig):
    """ResNet → for each task: attention over every stage's last block → ASPP → bilinear to the image."""

    has_shared_features = False

    def __init__(self, out_channels: Mapping[str, int], config: ResnetMtanConfig | None = None, **options: Any) -> None:
        super().__init__(out_channels)
        config = ResnetMtanConfig.of(config, options)
        self.encoder = config.build_encoder(config.output_stride)
        self.stages = _stage_levels(self.encoder, config.encoder)
        channels = [self.encoder.channels[level] for level in self.stages.values()]
        strides = [self.encoder.strides[level] for level in self.stages.values()]
        self.reductions = [after // before for before, after in pairwise(strides)]
        self.masks = nn.ModuleList(
            PerTask({task: _attention(width if i == 0 else 2 * width, width) for task in out_channels})
            for i, width in enumerate(channels)
        )
        self.shared = nn.ModuleList(ResidualBlock(before, after) for before, after in pairwise(channels))
        self.heads = PerTask({task: _deeplab_head(channels[-1], config, n) for task, n in out_channels.items()})

    @override
    def shared_modules(self) -> tuple[nn.Module, ...]:
        """Return the encoder and the blocks that process all tasks' attended features."""
        return self.encoder, self.shared

    @override
    def last_shared_layers(self) -> tuple[nn.Module, ...]:
        """Return the encoder's last layer: masks multiply its features, and the shared blocks lead only to masks."""
        return tuple(main_path(self.encoder)[-1:])

    @override
    def layers_by_task(self) -> tuple[nn.ModuleDict, ...]:
        return *self.masks, self.heads

    @override
    def forward(self, image: Tensor) -> Outputs:
        (block_input, block_output), *further = self._last_blocks(image)
        weights = self.masks[0](dict.fromkeys(self.out_channels, block_input))
        attended = {task: w * block_output for task, w in weights.items()}
        for (block_input, block_output), shared, reduction, masks in zip(
            further, self.shared, self.reductions, self.masks[1:], strict=True
        ):
            carried = {task: shared(features) for task, features in attended.items()}
            if reduction > 1:
                carried = {task: F.max_pool2d(x, reduction, ceil_mode=True) for task, x in carried.items()}
            weights = masks({task: torch.cat([block_input, x], 1) for task, x in carried.items()})
            attended = {task: w * block_output for task, w in weights.items()}
        final = {task: resize_like(x, image, align_corners=True) for task, x in self.heads(attended).items()}
        return Outputs(final, {}, ())

    def _last_blocks(self, image: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return the input and the output of each stage's last block."""
        x, pairs = self.encoder.normalize(image), []
        for name, module in self.encoder.backbone.named_children():
            if name in self.stages:
                *blocks, last = module.children()
                for block in blocks:
                    x = block(x)
                pairs.append((x, last(x)))
                x = pairs[-1][1]
            else:
                x = module(x)
        return pairs


def _stage_levels(encoder: Encoder, name: str) -> dict[str, int]:
    """Return the level of each stage of an encoder, by the stage's module name."""
    if encoder.is_plain:
        raise ValueError(
            f"network.encoder: the attention masks select from the last of the blocks in a stage, and {name} has no "
            "stages; choose a ResNet such as resnet18 or resnet50"
        )
    modules = dict(encoder.backbone.named_children())
    info: Any = encoder.backbone.feature_info
    stages = {
        module: level
        for level, (module, stride) in enumerate(zip(info.module_name(), encoder.strides, strict=True))
        if stride >= 4
    }
    for stage in stages:
        if not isinstance(blocks := modules.get(stage), nn.Sequential) or len(blocks) < 2:
            raise ValueError(
                f"network.encoder: the attention masks select from the last of the blocks in a stage, but {stage} of "
                f"{name} is not a sequence of two or more; choose a ResNet such as resnet18 or resnet50"
            )
    return stages


def _attention(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        conv_norm_relu(inputs, outputs // 4, 1, bias=True),
        nn.Conv2d(outputs // 4, outputs, 1),
        nn.BatchNorm2d(outputs),
        nn.Sigmoid(),
    )


def _deeplab_head(inputs: int, config: ResnetMtanConfig, channels: int) -> nn.Sequential:
    return nn.Sequential(
        ASPP(inputs, rates=config.rates),
        nn.Dropout(config.dropout),
        conv_norm_relu(256, 256),
        nn.Conv2d(256, channels, 1),
    )
