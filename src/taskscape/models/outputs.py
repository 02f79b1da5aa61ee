"""What every network of this package is and returns."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import ClassVar, NamedTuple

from torch import Tensor, nn


class Outputs(NamedTuple):
    """The raw maps of a network for a batch of images of size H×W. A ``Task`` decodes them into quantities."""

    final: dict[str, Tensor]
    """Per task: (B, channels, H, W), at the size of the image."""
    auxiliary: dict[str, dict[str, Tensor]]
    """Further predictions by their role, such as ``"initial"`` (supervised like the final ones) or ``"transferred"``
    (compared with the final ones); the maps are shaped as in ``final``."""
    shared: tuple[Tensor, ...]
    """The features that all tasks read and nothing else passes by: the cut between the shared and the tasks' own
    part. Empty where a network has no such cut."""


class Network(nn.Module, ABC):
    """A network for several dense tasks: (B, 3, H, W) RGB images in 0..1, of any size, to ``Outputs``."""

    outputs: dict[str, int]
    """Number of output channels per task."""

    def __init__(self, outputs: Mapping[str, int]) -> None:
        super().__init__()
        if not outputs:
            raise ValueError('a network needs at least one task, such as {"semseg": 19, "depth": 1}')
        self.outputs = dict(outputs)

    @abstractmethod
    def forward(self, image: Tensor) -> Outputs:
        """Predict every task for a (B, 3, H, W) batch."""

    @abstractmethod
    def shared_modules(self) -> tuple[nn.Module, ...]:
        """Return the modules that serve all tasks, in the order of computation. Empty where nothing is shared."""

    def shared_parameters(self) -> tuple[nn.Parameter, ...]:
        """Return the parameters that all tasks have in common, in the order of computation."""
        return tuple(_trainable(self.shared_modules()))

    def last_shared_parameters(self) -> tuple[nn.Parameter, ...]:
        """Return the parameters of the last shared layer, where GradNorm measures its gradients."""
        leaves = [leaf for module in self.shared_modules() for leaf in module.modules() if not list(leaf.children())]
        weighted = [leaf for leaf in leaves if any(p.ndim > 1 and p.requires_grad for p in leaf.parameters())]
        return tuple(_trainable(weighted[-1:]))


class NetworkOptions(ABC):
    """The options of one network: a frozen dataclass of plain values that builds it."""

    name: ClassVar[str]
    """The name on the command line and in saved experiments."""
    paper: ClassVar[str]
    """Where the network was published."""

    @abstractmethod
    def build(self, outputs: Mapping[str, int]) -> Network:
        """Build the network for ``outputs`` channels per task."""

    def from_scratch(self) -> "NetworkOptions":
        """Return these options without pretrained weights: for a network whose weights are loaded afterwards."""
        return self


def _trainable(modules: tuple[nn.Module, ...] | list[nn.Module]) -> Iterator[nn.Parameter]:
    seen: set[int] = set()
    for module in modules:
        for parameter in module.parameters():
            if parameter.requires_grad and id(parameter) not in seen:
                seen.add(id(parameter))
                yield parameter
