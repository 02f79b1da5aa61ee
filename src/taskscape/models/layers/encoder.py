"""Encoders: the only place that knows timm, which is imported when one is built."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import torch
from torch import Tensor, nn
from typing_extensions import override

from taskscape.imports import quick_imports
from taskscape.models.base import NetworkConfig
from taskscape.models.layers.depthwise import depthwise_in_float32
from taskscape.models.layers.hub import WeightsMissingError, cached_weights, packaged_weights
from taskscape.models.layers.pretrained import fitting
from taskscape.serialization import nearest
from taskscape.serialization.ranges import Count

if TYPE_CHECKING:
    from taskscape.tasks import Task


@dataclass(frozen=True)
class EncoderConfig(NetworkConfig):
    """The settings of a network whose encoder is a timm backbone."""

    encoder: str = "resnet34"
    """Any timm backbone that gives a pyramid of features."""
    pretrained: bool | Path = False
    """The encoder's weights: False for random ones, True for those of an installed package or of the hub, or those of a
    file (safetensors, or of torch.save) or of a run's folder."""

    @override
    def check(self, tasks: Mapping[str, "Task"]) -> None:
        """Raise ``ValueError`` where ``pretrained`` weights cannot be had, cannot be read or do not fit the encoder."""
        if self.pretrained is True and packaged_weights(self.encoder) is None:
            import timm  # takes a second, with torchvision

            if timm.is_model(self.encoder.split(".")[0]):
                cached_weights(self.encoder)
        if isinstance(self.pretrained, Path):
            with torch.device("meta"):
                backbone = Encoder(self.encoder).backbone
            fitting(backbone, self.encoder, self.pretrained)

    @override
    def from_scratch(self) -> Self:
        return replace(self, pretrained=False)


@dataclass(frozen=True)
class DilatedConfig(EncoderConfig):
    """The settings of a network whose encoder keeps its resolution by dilation."""

    output_stride: Literal[8, 16, 32] = 16
    """Input pixels per feature of the coarsest level; 32 is without dilation."""


@dataclass(frozen=True)
class AtrousConfig(DilatedConfig):
    """The settings of a network with atrous spatial pyramid pooling after its encoder."""

    rates: tuple[Count, ...] = (3, 6, 9)
    """Dilations of the 3×3 branches of each ASPP."""


class Encoder(nn.Module):
    """Any timm backbone (https://github.com/huggingface/pytorch-image-models) as a pyramid of features, fine to coarse.

    Takes RGB images in 0..1 and normalizes them as the backbone's weights were trained.
    """

    backbone: Any
    channels: tuple[int, ...]
    """Channels of each level."""
    strides: tuple[int, ...]
    """Input pixels per feature of each level, such as (2, 4, 8, 16, 16) for ``output_stride`` 16."""
    note: str = ""
    """What the weights of a file filled, in words."""

    def __init__(self, name: str, output_stride: int = 32, pretrained: bool | str | os.PathLike[str] = False) -> None:
        """Create it, with random weights, with those of a package or the hub (``True``) or with those of a file.

        Raises ``ValueError`` for a name that timm does not have, an output stride that the backbone cannot have, and
        weights that cannot be read or do not fit.
        """
        super().__init__()
        with quick_imports():
            import timm

        if pretrained is True:
            pretrained = packaged_weights(name) or True
        elif pretrained is not False:
            pretrained = Path(pretrained)
        options: dict[str, Any] = {} if output_stride == 32 else {"output_stride": output_stride}
        if not timm.is_model(name.split(".")[0]):
            known = nearest(name.split(".")[0], timm.list_models()) or "; see timm.list_models()"
            raise ValueError(f"network.encoder: timm has no model {name!r}{known}")
        try:
            if pretrained is True and (cached := cached_weights(name)) is not None:
                options["pretrained_cfg_overlay"] = {"file": str(cached)}
            self.backbone = timm.create_model(name, features_only=True, pretrained=pretrained is True, **options)
        except WeightsMissingError:
            raise
        except Exception as error:  # timm, the hub and torch raise anything from KeyError to HTTPError here
            raise ValueError(_remedy(name, output_stride, pretrained is True, error)) from error
        depthwise_in_float32(self.backbone)
        if isinstance(pretrained, Path):
            weights = fitting(self.backbone, name, pretrained)
            self.backbone.load_state_dict(weights.tensors, strict=False)  # counters of batches may be missing
            self.note = weights.note
        self.channels = tuple(self.backbone.feature_info.channels())
        self.strides = tuple(self.backbone.feature_info.reduction())
        config = self.backbone.pretrained_cfg
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(config["mean"]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(config["std"]).view(1, 3, 1, 1), persistent=False)

    def start_last_norms_at_one(self) -> None:
        """Undo timm's zeros in the last batch norms of residual blocks (Goyal et al., https://arxiv.org/abs/1706.02677)."""
        for norm in self.backbone.modules():
            if isinstance(norm, nn.BatchNorm2d) and not norm.weight.is_meta and not norm.weight.any():
                nn.init.ones_(norm.weight)

    def level(self, stride: int) -> int:
        """Return the index of the coarsest level with this stride. Raises ``ValueError`` where there is none."""
        if stride not in self.strides:
            raise ValueError(
                f"the network needs features at stride {stride}, but this encoder has them at {self.strides}; "
                "choose a convolutional or hierarchical encoder such as resnet34"
            )
        return len(self.strides) - 1 - self.strides[::-1].index(stride)

    def normalize(self, image: Tensor) -> Tensor:
        """Return an image in 0..1 as the backbone's weights expect it."""
        return (image - self.mean) / self.std

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the features of every level, (B, channels[i], ⌈H/strides[i]⌉, ⌈W/strides[i]⌉)."""
        features: list[Tensor] = self.backbone(self.normalize(image))
        return features


def _remedy(name: str, output_stride: int, pretrained: bool, error: Exception) -> str:
    if pretrained:
        return (
            f"network.pretrained: the weights of {name} could not be fetched from the hub ({error}); "
            "download a checkpoint of this model elsewhere and give its path"
        )
    return (
        f"network.encoder: {name} cannot be built with output_stride {output_stride} ({error}); "
        "set it to 32 to take the encoder as it is, or choose another encoder"
    )
