"""Encoders built from timm backbones; timm is imported only when an encoder is built."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from taskscape.imports import late_compiler
from taskscape.models.base import NetworkConfig
from taskscape.models.layers.backbone import build_backbone
from taskscape.models.layers.depthwise import depthwise_in_float32
from taskscape.models.layers.dilated import quick_dilations
from taskscape.models.layers.freezing import Freeze, freeze_layers, freezing_message, frozen_modules
from taskscape.models.layers.hub import cached_weights, packaged_weights
from taskscape.models.layers.low_rank import LowRankLayers, add_low_rank
from taskscape.models.layers.meta import without_numbers
from taskscape.models.layers.pretrained import fitting_weights
from taskscape.models.layers.pyramid import Pyramid
from taskscape.models.layers.stages import layer_numbers
from taskscape.serialization.ranges import Count, CountOrZero

if TYPE_CHECKING:
    from taskscape.tasks import Task


@dataclass(frozen=True)
class EncoderConfig(NetworkConfig):
    """The settings of a network whose encoder is a timm backbone."""

    encoder: str = "resnet34"
    """Any timm backbone: convolutional, hierarchical or a plain vision transformer."""
    pretrained: bool | Path = False
    """The encoder's weights: False for random ones, True for those of an installed package or the hub, or the path of a
    file (safetensors or torch.save), a run folder or the name of a model (taskscape/streets-small)."""
    freeze: Freeze = "none"
    """The part of the encoder whose weights and statistics stay fixed: none, all, or a number, from 0, for the stem and
    this many stages after it (blocks, in a plain transformer)."""
    lora: CountOrZero = 0
    """Rank of low-rank adapters (LoRA): the encoder's own weights stay fixed, and only the adapters are trained. 0 for
    no adapters."""
    lora_layers: LowRankLayers = "attention"
    """The encoder layers that get adapters: the linear layers of its attention, its 1×1 convolutions, or both."""

    def __post_init__(self) -> None:
        """Check the settings. Raises ``ValueError``."""
        super().__post_init__()
        if self.lora and isinstance(self.freeze, int):
            raise ValueError(
                f"network.freeze is {self.freeze} and network.lora {self.lora}: adapters freeze all of the encoder's "
                "own weights; set network.freeze to none"
            )

    def build_encoder(self, output_stride: int = 32, coarsest: int = 32) -> "Encoder":
        """Build the encoder, as a network's constructor does. Raises ``ValueError`` like ``Encoder``."""
        return Encoder(
            self.encoder,
            output_stride,
            self.pretrained,
            coarsest=coarsest,
            freeze=self.freeze,
            lora=self.lora,
            lora_layers=self.lora_layers,
        )

    @override
    def check(self, tasks: Mapping[str, "Task"]) -> None:
        """Raise ``ValueError`` if ``pretrained`` weights are unavailable, unreadable or do not fit the encoder."""
        if self.pretrained is True and packaged_weights(self.encoder) is None:
            with late_compiler():
                import timm

            if timm.is_model(self.encoder.split(".")[0]):
                cached_weights(self.encoder)
        if isinstance(self.pretrained, Path):
            with without_numbers():
                backbone = replace(self, pretrained=False, freeze="none", lora=0).build_encoder().backbone
            fitting_weights(backbone, self.encoder, self.pretrained)

    @override
    def from_scratch(self) -> Self:
        return replace(self, pretrained=False)


@dataclass(frozen=True)
class DilatedConfig(EncoderConfig):
    """The settings of a network whose encoder keeps its resolution by dilation."""

    output_stride: Literal[8, 16, 32] = 16
    """Input pixels per feature of the coarsest level; 32 means no dilation."""


@dataclass(frozen=True)
class AtrousConfig(DilatedConfig):
    """The settings of a network with atrous spatial pyramid pooling after its encoder."""

    rates: tuple[Count, ...] = (3, 6, 9)
    """Dilation rates of the 3×3 branches of each ASPP."""


class Encoder(nn.Module):
    """Any timm backbone (https://github.com/huggingface/pytorch-image-models) as a feature pyramid, fine to coarse.

    Takes RGB images in 0..1 and normalizes them with the statistics of the backbone's pretraining. A plain vision
    transformer is read at four depths (``PlainBackbone``). Their features are resized to strides 4, 8, 16 and 32, and
    the first also to 2; no level is coarser than ``output_stride``. Images are resized for backbones that accept only
    one size, or only sides that are multiples of a step.
    """

    backbone: Any
    channels: tuple[int, ...]
    """Channels of each level."""
    strides: tuple[int, ...]
    """Input pixels per feature of each level, such as (2, 4, 8, 16, 16) for ``output_stride`` 16."""
    note: str = ""
    """A message about which weights were loaded from a file and what is frozen."""

    def __init__(
        self,
        name: str,
        output_stride: int = 32,
        pretrained: bool | str | os.PathLike[str] = False,
        *,
        coarsest: int = 32,
        freeze: Freeze = "none",
        lora: int = 0,
        lora_layers: LowRankLayers = "attention",
    ) -> None:
        """Create it with random weights, with those of a package or the hub (``True``), or with those of a file.

        Stages at a coarser stride than ``coarsest`` are left out; ``freeze``, ``lora`` and ``lora_layers`` are those of
        ``EncoderConfig``. Raises ``ValueError`` if timm has no such model, if the backbone does not support the output
        stride, if the weights cannot be read or do not fit, if ``freeze`` exceeds the number of stages, and if no layer
        can take an adapter.
        """
        super().__init__()
        self.name = name
        if pretrained is True:
            pretrained = packaged_weights(name) or True
        elif pretrained is not False:
            pretrained = Path(pretrained)
        self._traits, self.backbone = build_backbone(name, output_stride, coarsest, pretrained=pretrained is True)
        depthwise_in_float32(self.backbone)
        quick_dilations(self.backbone)
        notes = []
        if isinstance(pretrained, Path):
            weights = fitting_weights(self.backbone, name, pretrained)
            self.backbone.load_state_dict(weights.tensors, strict=False)  # num_batches_tracked may be missing
            notes.append(weights.note)
        self._set_levels(min(output_stride, coarsest))
        config = self.backbone.pretrained_cfg
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(config["mean"]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(config["std"]).view(1, 3, 1, 1), persistent=False)
        self._remembered: tuple[Tensor, list[Tensor]] | None = None
        self.is_frozen_in_part = freeze != "none" or lora > 0
        freeze_layers(self.backbone, name, freeze)
        if lora:
            add_low_rank(self.backbone, lora, lora_layers)
        if self.is_frozen_in_part:
            notes.append(freezing_message(self.backbone, name, random=pretrained is False))
            self.train()
        self.note = "; ".join(notes)

    def _set_levels(self, coarsest: int) -> None:
        """Set the channels and strides of each level, and the backbone's map that it is made from."""
        if self._traits.is_plain:
            self.strides = (2, *(min(stride, coarsest) for stride in (4, 8, 16, 32)))
            self.sources = (0, *range(len(self.strides) - 1))
            self.channels = self._traits.channels[:1] * len(self.strides)
        else:
            self.strides = tuple(self.backbone.feature_info.reduction())
            self.sources = tuple(range(len(self.strides)))
            self.channels = self._traits.channels[: len(self.strides)]

    def layer_numbers(self) -> dict[str, int]:
        """Return the layer number of each parameter of ``backbone``, 0 for the stem, then one per block.

        Raises ``ValueError`` if timm does not group this backbone's layers.
        """
        return layer_numbers(self.backbone, self.name)

    @override
    def train(self, mode: bool = True) -> Self:
        """Set the mode; frozen modules stay in evaluation mode, so their statistics and outputs do not change."""
        super().train(mode)
        if mode and self.is_frozen_in_part:
            for module in frozen_modules(self.backbone):
                module.train(False)
        return self

    def start_last_norms_at_one(self) -> None:
        """Undo timm's zero initialization of residual blocks' last batch norms (Goyal et al.,
        https://arxiv.org/abs/1706.02677).
        """
        for norm in self.backbone.modules():
            if isinstance(norm, nn.BatchNorm2d) and not norm.weight.is_meta and not norm.weight.any():
                nn.init.ones_(norm.weight)

    @property
    def is_plain(self) -> bool:
        """Whether the backbone is a plain vision transformer, whose ``maps`` all have the stride of a patch."""
        return self._traits.is_plain

    def level(self, stride: int) -> int:
        """Return the index of the coarsest level with this stride. Raises ``ValueError`` if there is none."""
        if stride not in self.strides:
            raise ValueError(
                f"the network needs features at stride {stride}, but this encoder has them at {self.strides}; "
                "choose an encoder such as resnet34 or vit_small_patch16_224"
            )
        return len(self.strides) - 1 - self.strides[::-1].index(stride)

    def normalize(self, image: Tensor) -> Tensor:
        """Normalize an image in 0..1 as the backbone's weights expect."""
        return (image - self.mean) / self.std

    def maps(self, image: Tensor) -> list[Tensor]:
        """Return the backbone's (B, C, h, w) feature maps for (B, 3, H, W) images; they cover the whole image.

        Images are first enlarged to sides that the backbone accepts, or resized to the only size that it accepts. For
        images whose maps were stored by ``remember``, those maps are returned.
        """
        if self._remembered is not None and _is_same(image, self._remembered[0]):
            return self._remembered[1]
        step = self._traits.step
        if self._traits.size is not None or step > 1:
            size = self._traits.size or [(length + step - 1) // step * step for length in image.shape[-2:]]
            image = F.interpolate(image, size, mode="bilinear", align_corners=False)  # exact if the size fits already
        maps: list[Tensor] = self.backbone(self.normalize(image))
        return [x.permute(0, 3, 1, 2) for x in maps] if self._traits.channels_last else maps

    def remember(self, image: Tensor, maps: Mapping[int, Tensor]) -> None:
        """Use these maps as the backbone's output for this tensor of images, until ``remember`` is called again.

        ``maps`` contains the maps that are read, by index. Maps of other images are computed as usual.
        """
        count = max(self.sources) + 1
        self._remembered = image, [maps[index] if index in maps else torch.empty(0) for index in range(count)]

    def pyramid(self, maps: Sequence[Tensor], size: Sequence[int]) -> Sequence[Tensor]:
        """Return the pyramid's levels from the ``maps`` of images of this size, (H, W)."""
        if self._traits.size is None and self._traits.step == 1:
            return maps
        return Pyramid(maps, self.sources, self.strides, size)

    def forward(self, image: Tensor) -> Sequence[Tensor]:
        """Return the features of every level, (B, channels[i], ⌈H/strides[i]⌉, ⌈W/strides[i]⌉)."""
        return self.pyramid(self.maps(image), image.shape[-2:])


def _is_same(image: Tensor, remembered: Tensor) -> bool:
    return (
        image.shape == remembered.shape
        and image.stride() == remembered.stride()
        and image.device == remembered.device
        and image.data_ptr() == remembered.data_ptr()
    )
