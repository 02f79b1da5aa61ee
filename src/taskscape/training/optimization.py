"""Settings of torch's optimizers, and learning-rate schedules."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, SupportsFloat

import torch
from torch import nn
from typing_extensions import override

from taskscape.models import Encoder
from taskscape.serialization import named, offer
from taskscape.serialization.ranges import BelowOne, Count, NonNegative, Positive, Range, RangedSettings
from taskscape.training.fused import SGD, Adam, AdamW
from taskscape.weighting import Weighting

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


def build_optimizer(config: OptimizerConfig, network: nn.Module, weighting: Weighting) -> torch.optim.Optimizer:
    """Return the optimizer of a run, with the learning rates of the encoder's layers.

    Raises ``ValueError`` as ``parameter_groups`` does.
    """
    optimizer = config.build(parameter_groups(network, weighting, config))
    for group in optimizer.param_groups:
        group["lr"] *= group.pop(_SCALE, 1.0)
    return optimizer


def parameter_groups(
    network: nn.Module, weighting: Weighting, config: OptimizerConfig | None = None
) -> list[dict[str, Any]]:
    """Return the parameter groups of an optimizer: the network's parameters, and those that the weighting learns.

    The latter have no weight decay, and the weighting's own learning rate if it has one. With ``config`` there is one
    group for each factor on the learning rate, stored as ``lr_scale``; ``build_optimizer`` applies it. Raises
    ``ValueError`` if factors for an encoder are set and the network has no encoder.
    """
    scales = {} if config is None else _scales(network, config)
    by_scale: dict[float, list[nn.Parameter]] = {1.0: []}  # first, since its learning rate is logged
    for parameter in network.parameters():
        if parameter.requires_grad:
            by_scale.setdefault(scales.get(id(parameter), 1.0), []).append(parameter)
    groups: list[dict[str, Any]] = [
        {"params": parameters, **({} if scale == 1 else {_SCALE: scale})}
        for scale, parameters in by_scale.items()
        if parameters or scale == 1
    ]
    if weighting_parameters := [p for p in weighting.parameters() if p.requires_grad]:
        rate = {} if weighting.learning_rate is None else {"lr": weighting.learning_rate}
        groups.append({"params": weighting_parameters, "weight_decay": 0.0, **rate})
    return groups


def _scales(network: nn.Module, config: OptimizerConfig) -> dict[int, float]:
    """Return the learning-rate factor of each encoder parameter, by its id; empty if all are 1.

    With n layers, of which the stem is layer 0, the factor of layer i is encoder_lr · layer_decay^(n - i), so the last
    layer has one factor of ``layer_decay`` (Bao et al., BEiT, ICLR 2022, https://arxiv.org/abs/2106.08254).
    """
    if config.encoder_lr == config.layer_decay == 1:
        return {}
    encoders = [module for module in network.modules() if isinstance(module, Encoder)]
    if not encoders:
        raise ValueError(
            f"optimizer.encoder_lr is {config.encoder_lr} and optimizer.layer_decay {config.layer_decay}, but this "
            "network has no encoder (taskscape.models.Encoder): leave both at 1, or choose a network with an encoder"
        )
    scales = {}
    for encoder in encoders:
        numbers = encoder.layer_numbers() if config.layer_decay != 1 else {}
        layers = max(numbers.values(), default=0) + 1
        for name, parameter in encoder.backbone.named_parameters():
            scales[id(parameter)] = config.encoder_lr * config.layer_decay ** (layers - numbers.get(name, layers))
    return scales


_SCALE = "lr_scale"
"""Key of a parameter group for its factor; timm uses the same name."""


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


@dataclass(frozen=True)
class Schedule(RangedSettings, ABC):
    """A learning-rate schedule: a factor on the optimizer's learning rate, as a function of the epoch."""

    name: ClassVar[str]
    """The name on the command line and in saved experiments."""

    warmup: NonNegative = 0.0
    """Epochs at the start over which the learning rate rises linearly from zero."""

    def factor(self, epoch: float, epochs: int) -> float:
        """Return the factor at ``epoch``, which is fractional and counts from 0, out of ``epochs``.

        Raises ``ValueError`` if ``shape``, such as a user's, does not return a finite number ≥ 0.
        """
        warmup_factor = min(1.0, epoch / self.warmup) if self.warmup > 0 else 1.0
        shape: Any = self.shape(epoch, epochs)
        if not (isinstance(shape, SupportsFloat) and 0 <= float(shape) < math.inf):
            raise ValueError(f"{named(type(self).shape)} gives {shape!r} at epoch {epoch:g}: return a number ≥ 0")
        return warmup_factor * float(shape)

    @abstractmethod
    def shape(self, epoch: float, epochs: int) -> float:
        """Return the factor without warm-up."""


@dataclass(frozen=True)
class Constant(Schedule):
    """A constant learning rate."""

    name: ClassVar[str] = "constant"

    @override
    def shape(self, epoch: float, epochs: int) -> float:
        return 1.0


@dataclass(frozen=True)
class Poly(Schedule):
    """Polynomial decay to zero, as in DeepLab: (1 - epoch / epochs)^power.

    Chen et al., TPAMI 2018, https://arxiv.org/abs/1606.00915.
    """

    name: ClassVar[str] = "poly"

    power: NonNegative = 0.9
    """The exponent; 0 keeps the learning rate constant."""
    per_epoch: bool = False
    """Change the learning rate between epochs only, not with every step."""

    @override
    def shape(self, epoch: float, epochs: int) -> float:
        if self.per_epoch:
            epoch = int(epoch)
        return float((1 - min(epoch / epochs, 1.0)) ** self.power)


@dataclass(frozen=True)
class Step(Schedule):
    """Step decay, as in MTAN: gamma^⌊epoch / step_size⌋.

    Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704.
    """

    name: ClassVar[str] = "step"

    step_size: Count = 100
    """Epochs between two decays."""
    gamma: Positive = 0.5
    """Factor of each decay."""

    @override
    def shape(self, epoch: float, epochs: int) -> float:
        return float(self.gamma ** int(epoch // self.step_size))


@dataclass(frozen=True)
class Cosine(Schedule):
    """Cosine annealing, from one to zero: (1 + cos(π · epoch / epochs)) / 2.

    Loshchilov and Hutter, ICLR 2017, https://arxiv.org/abs/1608.03983.
    """

    name: ClassVar[str] = "cosine"

    @override
    def shape(self, epoch: float, epochs: int) -> float:
        return (1 + math.cos(math.pi * min(epoch / epochs, 1.0))) / 2


@dataclass(frozen=True)
class OneCycle(Schedule):
    """One cycle, up along a cosine and down again, which suits short training (Smith and Topin, 2018,
    https://arxiv.org/abs/1708.07120).
    """

    name: ClassVar[str] = "one-cycle"

    pct_start: BelowOne = 0.3
    """Fraction of the epochs during which the learning rate rises: at least 0, below 1."""
    start: NonNegative = 0.04
    """Factor at the start."""
    end: NonNegative = 1e-4
    """Factor at the end."""

    @override
    def shape(self, epoch: float, epochs: int) -> float:
        progress = min(epoch / epochs, 1.0)
        if progress < self.pct_start:
            return _cosine(self.start, 1.0, progress / self.pct_start)
        return _cosine(1.0, self.end, (progress - self.pct_start) / (1 - self.pct_start))


def _cosine(start: float, end: float, progress: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2


OPTIMIZERS: tuple[type[OptimizerConfig], ...] = (SGDConfig, AdamConfig, AdamWConfig)
"""The optimizers that the package offers."""

SCHEDULES: tuple[type[Schedule], ...] = (Constant, Poly, Step, Cosine, OneCycle)
"""The schedules that the package offers."""

offer(OptimizerConfig, OPTIMIZERS)
offer(Schedule, SCHEDULES)
