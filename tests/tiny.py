"""A network of a thousand parameters, without batch normalisation: the same on one process as on several."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from taskscape.data import Packed
from taskscape.runs.experiment import Experiment, Tasks
from taskscape.models import Network, NetworkConfig, Outputs
from taskscape.training.optimization import AdamConfig, Constant
from taskscape.tasks import SurfaceNormals


@dataclass(frozen=True)
class Tiny(NetworkConfig):
    """A shared convolution and one per task."""

    name: ClassVar[str] = "tiny"
    paper: ClassVar[str] = "none"

    width: int = 8
    """Channels."""
    dropout: float = 0.0
    """Share of the features that are dropped."""

    def build(self, outputs: Mapping[str, int]) -> Network:
        """Build it."""
        return TinyNetwork(outputs, self)


class TinyNetwork(Network):
    """A shared convolution and one per task."""

    def __init__(self, outputs: Mapping[str, int], options: Tiny) -> None:
        super().__init__(outputs)
        self.stem = nn.Conv2d(3, options.width, 3, padding=1)
        self.dropout = nn.Dropout(options.dropout)
        self.heads = nn.ModuleDict({task: nn.Conv2d(options.width, n, 3, padding=1) for task, n in outputs.items()})

    def shared_modules(self) -> tuple[nn.Module, ...]:
        """The stem."""
        return (self.stem,)

    def forward(self, image: Tensor) -> Outputs:
        """Predict."""
        features = self.dropout(F.relu(self.stem(image)))
        return Outputs({task: head(features) for task, head in self.heads.items()}, {}, (features,))


def tiny(store: Path) -> Experiment:
    """An experiment that takes a second."""
    return Experiment(
        network=Tiny(),
        tasks=Tasks(normals=SurfaceNormals()),
        data=Packed(store),
        optimizer=AdamConfig(lr=1e-2),
        schedule=Constant(),
        epochs=3,
        batch_size=4,
        precision="fp32",
        device="cpu",
    )


def dropping(store: Path) -> Experiment:
    """The same with something random in the network."""
    return replace(tiny(store), network=Tiny(dropout=0.3))
