"""Depth as an expectation over bins that a transformer predicts for each image."""

from dataclasses import dataclass
from typing import ClassVar

from torch import nn
from typing_extensions import override

from taskscape.models.bins.base import BinsConfig, BinsNetwork
from taskscape.models.layers.branch import Branch


@dataclass(frozen=True)
class AdaptiveDepthConfig(BinsConfig):
    """One encoder for all tasks; adaptive bins for depth, an ASPP and a decoder for every other task.

    16,846,465 parameters for depth alone. The raw depth output is in meters::

        >>> import torch
        >>> from taskscape.models import AdaptiveDepth
        >>> network = AdaptiveDepth({"semseg": 19, "depth": 1}).eval()
        >>> image = torch.rand(2, 3, 64, 128)
        >>> network(image).final["depth"].shape, network.bins(image)["depth"].shape
        (torch.Size([2, 1, 64, 128]), torch.Size([2, 256]))
    """

    name: ClassVar[str] = "adaptive-depth"
    paper: ClassVar[str] = "Bhat et al., CVPR 2021 (AdaBins), bins from the cells of the image"
    link: ClassVar[str] = "https://arxiv.org/abs/2011.14141"


class AdaptiveDepth(BinsNetwork, config=AdaptiveDepthConfig):
    """Encoder → depth: tokens → bins, decoder → expectation; others: ASPP → decoder → bilinear to the image."""

    @override
    def branch(self, config: BinsConfig, deep: int, skip: int, channels: int) -> nn.Module:
        return Branch(deep, skip, channels, config.rates, lite=True, **config.decoder())
