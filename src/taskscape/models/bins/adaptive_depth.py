"""Depth as an expectation over bins that a transformer chooses for each image."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from taskscape.models.bins.network import BinsNetwork, BinsConfig
from taskscape.models.layers.blocks import LiteBranch
from taskscape.models.base import Network


@dataclass(frozen=True)
class AdaptiveDepthConfig(BinsConfig):
    """One encoder for all tasks; depth by adaptive bins, every other task by an ASPP and a decoder.

    Where the depth is not among the tasks, as in a baseline for another one, every task has the latter.

    The raw depth is in metres: let the task be ``Depth(representation="metres", mean=0.0, deviation=1.0)``, as well
    with a loss in metres such as SILog.
    """

    name: ClassVar[str] = "adaptive-depth"
    paper: ClassVar[str] = "Bhat et al., CVPR 2021 (AdaBins), bins from the cells of the image"

    def build(self, outputs: Mapping[str, int]) -> Network:
        """Build the network."""
        return AdaptiveDepth(outputs, self)


class AdaptiveDepth(BinsNetwork):
    """Encoder → depth: tokens → bins, decoder → their expectation; others: ASPP → decoder → bilinear to the image."""

    def branch(self, deep: int, skip: int, channels: int, options: AdaptiveDepthConfig) -> nn.Module:
        """Build the branch of a task other than the depth."""
        return LiteBranch(deep, skip, channels, options.rates)
