"""Depth as an expectation over bins that a transformer predicts for each image."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from taskscape.models.bins.base import BinsConfig, BinsNetwork
from taskscape.models.layers.branch import Branch


@dataclass(frozen=True)
class AdaptiveDepthConfig(BinsConfig):
    """One encoder for all tasks; adaptive bins for depth, an ASPP and a decoder for every other task.

    16,846,465 parameters for depth alone. The raw depth output is in metres::

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

    def __init__(
        self, out_channels: Mapping[str, int], config: AdaptiveDepthConfig | None = None, **options: Any
    ) -> None:
        config = AdaptiveDepthConfig.of(config, options)
        rates, decoder = config.rates, config.decoder()
        super().__init__(
            out_channels, config, lambda deep, skip, channels: Branch(deep, skip, channels, rates, lite=True, **decoder)
        )
