"""What every network of this package is and returns."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

from torch import Tensor, nn

if TYPE_CHECKING:
    from taskscape.tasks import Task


class Outputs(NamedTuple):
    """The raw maps of a network for a batch of images of size H×W. A ``Task`` decodes them."""

    final: dict[str, Tensor]
    """Per task: (B, channels, H, W), at the size of the image."""
    auxiliary: dict[str, dict[str, Tensor]]
    """Further predictions by their role, such as ``"initial"`` (supervised like the final ones) or ``"transferred"``
    (compared with the final ones); the maps are shaped as in ``final``."""
    shared: tuple[Tensor, ...]
    """The shared features: the representation between the shared and the task-specific layers, through which every
    task's loss reaches the shared parameters. Empty where a network has none (``Network.has_shared_features``)."""


class NetworkConfig(ABC):
    """The settings of one network: a frozen dataclass of plain values that builds it."""

    name: ClassVar[str]
    """The name on the command line and in saved experiments."""
    paper: ClassVar[str]
    """Where the network was published."""
    link: ClassVar[str] = ""
    """URL of the paper."""
    network: ClassVar[type["Network"]]
    """The module; ``class Mine(Network, config=MineConfig)`` sets it."""

    @classmethod
    def of(cls, config: Self | None, options: Mapping[str, Any]) -> Self:
        """Return ``config``, or one with these fields. Raises ``TypeError`` for both at once or an unknown field."""
        if config is not None and options:
            raise TypeError(f"give {cls.__name__} or its fields ({', '.join(options)}), not both")
        return cls(**options) if config is None else config

    def build(self, out_channels: Mapping[str, int]) -> "Network":
        """Build the network for these output channels per task."""
        return self.network(out_channels, self)

    def check(self, tasks: Mapping[str, "Task"]) -> None:
        """Raise ``ValueError`` with the remedy where the network cannot learn these tasks; called before any work."""

    def from_scratch(self) -> Self:
        """Return these settings without pretrained weights: for a network whose weights are loaded afterwards."""
        return self


class Network(nn.Module, ABC):
    """A network for several dense tasks: (B, 3, H, W) RGB images in 0..1, of any size, to ``Outputs``.

    A subclass names its settings, ``class Mine(Network, config=MineConfig)``, and is built from channels per task and
    settings or their fields: ``Mine({"semseg": 19, "depth": 1}, width=64)``.
    """

    out_channels: dict[str, int]
    """Number of output channels per task."""
    has_shared_features: ClassVar[bool] = True
    """Whether ``Outputs.shared`` has features with more than one task."""
    has_shared_parameters: ClassVar[bool] = True
    """Whether any layer serves all tasks."""

    def __init_subclass__(cls, config: type[NetworkConfig] | None = None) -> None:
        """Join a network and its settings."""
        super().__init_subclass__()
        if config is not None:
            config.network = cls

    def __init__(self, out_channels: Mapping[str, int], config: Any = None, **options: Any) -> None:
        super().__init__()
        if not out_channels:
            raise ValueError('a network needs at least one task, such as {"semseg": 19, "depth": 1}')
        self.out_channels = dict(out_channels)

    @abstractmethod
    def forward(self, image: Tensor) -> Outputs:
        """Predict every task for a (B, 3, H, W) batch."""

    @abstractmethod
    def shared_modules(self) -> tuple[nn.Module, ...]:
        """Return the modules that serve all tasks, in the order of computation. Empty where nothing is shared."""

    def shared_parameters(self) -> tuple[nn.Parameter, ...]:
        """Return the parameters that all tasks have in common, in the order of computation."""
        return tuple(_trainable(self.shared_modules()))

    def task_parameters(self) -> tuple[nn.Parameter, ...]:
        """Return all other parameters that are trained: those of the tasks' own layers."""
        shared = {id(parameter) for parameter in self.shared_parameters()}
        return tuple(p for p in self.parameters() if p.requires_grad and id(p) not in shared)

    def last_shared_parameters(self) -> tuple[nn.Parameter, ...]:
        """Return the parameters of the last shared layer, where GradNorm measures its gradients.

        It is the last in the order of computation that every task's loss passes.
        """
        leaves = [leaf for module in self.shared_modules() for leaf in module.modules() if not list(leaf.children())]
        weighted = [leaf for leaf in leaves if any(p.ndim > 1 and p.requires_grad for p in leaf.parameters())]
        return tuple(_trainable(weighted[-1:]))


def _trainable(modules: Iterable[nn.Module]) -> Iterator[nn.Parameter]:
    seen: set[int] = set()
    for module in modules:
        for parameter in module.parameters():
            if parameter.requires_grad and id(parameter) not in seen:
                seen.add(id(parameter))
                yield parameter
