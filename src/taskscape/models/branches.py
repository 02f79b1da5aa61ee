"""Base class of networks with one encoder for all tasks and a branch per task."""

from abc import abstractmethod
from collections.abc import Sequence

from torch import Tensor, nn
from typing_extensions import override

from taskscape.models.base import Network, Outputs
from taskscape.models.layers.encoder import Encoder
from taskscape.models.layers.resize import resize_like
from taskscape.models.layers.shared_features import shared_features


class SharedEncoder(Network):
    """Encoder → for each task: a branch → bilinear to the image."""

    encoder: Encoder
    branches: nn.ModuleDict
    """For each task, a module that maps the return values of ``read`` to the task's raw map, at any size."""

    @abstractmethod
    def read(self, pyramid: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Select the features that every branch reads from the encoder's levels, which are ordered fine to coarse."""

    @override
    def shared_modules(self) -> tuple[nn.Module, ...]:
        return (self.encoder,)

    @override
    def layers_by_task(self) -> tuple[nn.ModuleDict, ...]:
        return (self.branches,)

    @override
    def forward(self, image: Tensor) -> Outputs:
        shared = shared_features(*self.read(self.encoder(image)))
        final = {task: resize_like(branch(*shared), image) for task, branch in self.branches.items()}
        return Outputs(final, {}, shared)
