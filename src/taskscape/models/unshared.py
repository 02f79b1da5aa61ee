"""Base class of networks that share nothing: one network per task, trained side by side as single-task baselines."""

from torch import nn
from typing_extensions import override

from taskscape.models.base import Network


class Unshared(Network):
    """For each task: a network of its own."""

    has_shared_features = False
    has_shared_parameters = False

    @override
    def shared_modules(self) -> tuple[nn.Module, ...]:
        return ()
