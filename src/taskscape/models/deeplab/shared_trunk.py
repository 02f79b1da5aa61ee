"""Base class of networks whose tasks share everything except their last convolution."""

from abc import abstractmethod

from torch import Tensor, nn
from typing_extensions import override

from taskscape.models.base import Network, Outputs
from taskscape.models.layers.resize import resize_like


class SharedTrunk(Network):
    """Trunk → 1×1 convolution per task → bilinear to the image."""

    heads: nn.ModuleDict

    @abstractmethod
    def features(self, image: Tensor) -> Tensor:
        """Compute the trunk's (B, C, h, w) features, which every head reads."""

    @override
    def layers_by_task(self) -> tuple[nn.ModuleDict, ...]:
        return (self.heads,)

    @override
    def forward(self, image: Tensor) -> Outputs:
        features = self.features(image)
        final = {task: resize_like(head(features), image) for task, head in self.heads.items()}
        return Outputs(final, {}, (features,))
