"""Settings of torch's optimizers."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from typing_extensions import override

from taskscape.serialization import offer
from taskscape.serialization.ranges import BelowOne, NonNegative, Positive, Range, RangedSettings
from taskscape.training.fused import SGD, Adam, AdamW

# ``fused`` updates all parameters in one pass over memory: on a CPU this halves the time of an optimizer step.

ParameterGroups = Iterable[dict[str, Any]]
"""Parameter groups as torch's optimizers take them."""


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig(RangedSettings, ABC):
    """Settings of an optimizer: a frozen dataclass of plain values that builds it."""

    name: ClassVar[str]
    """The name on the command line and in saved experiments."""

    encoder_lr: Positive = 1.0
    """Factor on the learning rate of the encoder, such as 0.1 for a pretrained one."""
    layer_decay: Annotated[float, Range(above=0, most=1)] = 1.0
    """Factor on the learning rate of each encoder layer relative to the next one, such as 0.8: the first layers, where
    pretrained weights are most useful, change least. 1 is off."""

    @abstractmethod
    def build(self, groups: ParameterGroups) -> torch.optim.Optimizer:
        """Build the optimizer for these parameter groups; a group may have its own learning rate."""


@dataclass(frozen=True)
class SGDConfig(OptimizerConfig):
    """Stochastic gradient descent with momentum (``torch.optim.SGD``)."""

    name: ClassVar[str] = "sgd"

    lr: Positive = 3e-2
    """Learning rate."""
    momentum: BelowOne = 0.9
    """Momentum factor; 0 is off."""
    weight_decay: NonNegative = 1e-4
    """L2 penalty on the network's weights."""
    nesterov: bool = False
    """Use Nesterov momentum."""

    def __post_init__(self) -> None:
        """Check the settings. Raises ``ValueError``."""
        super().__post_init__()
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov is set and momentum is 0: Nesterov momentum needs a momentum, such as 0.9")

    @override
    def build(self, groups: ParameterGroups) -> torch.optim.Optimizer:
        optimizer = SGD(
            groups, self.lr, self.momentum, weight_decay=self.weight_decay, nesterov=self.nesterov, fused=True
        )
        if self.momentum:
            # torch's fused step fails if only some parameters have this buffer, as after a step in which a task had no
            # label. The first step assumes zeros.
            for parameter in (p for group in optimizer.param_groups for p in group["params"]):
                optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
        return optimizer


@dataclass(frozen=True)
class AdamConfig(OptimizerConfig):
    """Adam (Kingma and Ba, ICLR 2015, https://arxiv.org/abs/1412.6980; ``torch.optim.Adam``)."""

    name: ClassVar[str] = "adam"

    lr: Positive = 1e-4
    """Learning rate."""
    betas: tuple[BelowOne, BelowOne] = (0.9, 0.999)
    """Decay rates of the running means of the gradient and of its square."""
    weight_decay: NonNegative = 0.0
    """L2 penalty on the network's weights."""

    @override
    def build(self, groups: ParameterGroups) -> torch.optim.Optimizer:
        return Adam(groups, self.lr, _floats(self.betas), weight_decay=self.weight_decay, fused=True)


@dataclass(frozen=True)
class AdamWConfig(OptimizerConfig):
    """Adam with decoupled weight decay (Loshchilov and Hutter, ICLR 2019, https://arxiv.org/abs/1711.05101;
    ``torch.optim.AdamW``).
    """

    name: ClassVar[str] = "adamw"

    lr: Positive = 1e-3
    """Learning rate."""
    betas: tuple[BelowOne, BelowOne] = (0.9, 0.999)
    """Decay rates of the running means of the gradient and of its square."""
    weight_decay: NonNegative = 1e-2
    """Weight decay of the network's weights."""

    @override
    def build(self, groups: ParameterGroups) -> torch.optim.Optimizer:
        return AdamW(groups, self.lr, _floats(self.betas), weight_decay=self.weight_decay, fused=True)


def _floats(betas: tuple[float, float]) -> tuple[float, float]:
    """Return betas as floats: torch refuses integers such as 0."""
    return float(betas[0]), float(betas[1])


OPTIMIZERS: tuple[type[OptimizerConfig], ...] = (SGDConfig, AdamConfig, AdamWConfig)
"""The optimizers that the package offers."""

offer(OptimizerConfig, OPTIMIZERS)
