"""Vision Transformers for Dense Prediction, with a decoder per task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from taskscape.models.branches import SharedEncoder
from taskscape.models.layers.conv import conv_norm_relu
from taskscape.models.layers.encoder import EncoderConfig
from taskscape.models.layers.pyramid import Pyramid
from taskscape.models.layers.resize import resize_like
from taskscape.serialization.ranges import Count


@dataclass(frozen=True)
class DPTConfig(EncoderConfig):
    """One plain vision transformer for all tasks, read at four depths, and a convolutional decoder per task.

    31,098,708 parameters for 19 classes and depth with a ViT-S. Each decoder brings the four depths to strides of a
    quarter, a half, one and two patches (the paper's reassembly, without the class token), and fuses them from coarse
    to fine. If the encoder has a feature pyramid, its levels at strides 4, 8, 16 and 32 are used without resizing. The
    shared features are the inputs of the decoders::

        >>> import torch
        >>> from taskscape.models import DPT
        >>> network = DPT({"semseg": 19, "depth": 1}, encoder="test_vit")
        >>> outputs = network(torch.rand(2, 3, 75, 130))
        >>> [tuple(x.shape) for x in outputs.shared]
        [(2, 64, 5, 9), (2, 64, 5, 9), (2, 64, 5, 9), (2, 64, 5, 9)]
    """

    name: ClassVar[str] = "dpt"
    paper: ClassVar[str] = "Ranftl et al., ICCV 2021 (DPT), a decoder per task"
    link: ClassVar[str] = "https://arxiv.org/abs/2103.13413"

    encoder: str = "vit_small_patch16_224"
    """Any timm backbone that is a plain vision transformer, or has features at strides 4, 8, 16 and 32."""
    width: Count = 128
    """Channels of the decoders; the paper uses 256."""


class Residual(nn.Module):
    """x + two 3×3 convolutions with batch norm, each after a ReLU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.ReLU(), *_conv_norm(width), nn.ReLU(inplace=True), *_conv_norm(width)
        )  # the first ReLU is not in-place: x is still needed

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, width, h, w)."""
        features: Tensor = x + self.body(x)
        return features


class Fusion(nn.Module):
    """Adds the fused coarser maps to a map, doubles its size and mixes its channels."""

    def __init__(self, width: int, is_coarsest: bool) -> None:
        super().__init__()
        self.of_map = nn.Identity() if is_coarsest else Residual(width)
        self.of_sum = Residual(width)
        self.project = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor, coarser: Tensor | None = None) -> Tensor:
        """Return (B, width, 2h, 2w) for a (B, width, h, w) map and the fused coarser maps, which may have any size."""
        x = self.of_map(x)
        if coarser is not None:
            x = x + resize_like(coarser, x)
        doubled = F.interpolate(self.of_sum(x), scale_factor=2.0, mode="bilinear", align_corners=False)
        fused: Tensor = self.project(doubled)
        return fused


class Decoder(nn.Module):
    """Reassembly of four maps → fusion from coarse to fine → 3×3 convolution → 1×1 convolution.

    With ``reassemble``, all maps have the same size and are resampled to four sizes.
    """

    def __init__(self, channels: Sequence[int], width: int, outputs: int, *, reassemble: bool) -> None:
        super().__init__()
        self.reassembly = nn.ModuleList(
            _reassembly(level, inputs, width) if reassemble else nn.Conv2d(inputs, width, 3, padding=1, bias=False)
            for level, inputs in enumerate(channels)
        )
        self.fusion = nn.ModuleList(Fusion(width, level == 3) for level in range(4))
        self.head = nn.Sequential(conv_norm_relu(width, width // 2 or 1), nn.Conv2d(width // 2 or 1, outputs, 1))

    def forward(self, *maps: Tensor) -> Tensor:
        """Return the raw map, at twice the size of the finest reassembled map."""
        fused: Tensor | None = None
        for level in (3, 2, 1, 0):
            fused = self.fusion[level](self.reassembly[level](maps[level]), fused)
        raw: Tensor = self.head(fused)
        return raw


class DPT(SharedEncoder, config=DPTConfig):
    """Encoder → for each task: reassembly of four depths → fusion from coarse to fine → bilinear to the image."""

    def __init__(self, out_channels: Mapping[str, int], config: DPTConfig | None = None, **options: Any) -> None:
        super().__init__(out_channels)
        config = DPTConfig.of(config, options)
        self.encoder = config.build_encoder()
        self.levels = [self.encoder.level(stride) for stride in (4, 8, 16, 32)]
        channels = [self.encoder.channels[level] for level in self.levels]
        self.branches = nn.ModuleDict(
            {
                task: Decoder(channels, config.width, outputs, reassemble=self.encoder.is_plain)
                for task, outputs in out_channels.items()
            }
        )

    @override
    def read(self, pyramid: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return the unresized maps of a plain transformer, since resampling is learned; otherwise the levels."""
        if self.encoder.is_plain:
            assert isinstance(pyramid, Pyramid)
            return tuple(pyramid.maps)
        return tuple(pyramid[level] for level in self.levels)


def _reassembly(level: int, inputs: int, width: int) -> nn.Sequential:
    """Return a 1×1 convolution, a layer that scales a map by 4, 2, 1 or 1/2, and a 3×3 convolution."""
    inner = max(inputs >> (3 - level), 1)
    resample: list[nn.Module] = [
        nn.ConvTranspose2d(inner, inner, 4, stride=4),
        nn.ConvTranspose2d(inner, inner, 2, stride=2),
        nn.Identity(),
        nn.Conv2d(inner, inner, 3, stride=2, padding=1),
    ]
    return nn.Sequential(
        nn.Conv2d(inputs, inner, 1), resample[level], nn.Conv2d(inner, width, 3, padding=1, bias=False)
    )


def _conv_norm(width: int) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
