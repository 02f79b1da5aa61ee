"""A network of a thousand parameters, without batch normalization, so it computes the same on several processes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from taskscape import runs
from taskscape.data import Packed
from taskscape.distributed import launch
from taskscape.models import Network, NetworkConfig, Outputs
from taskscape.run_folder import RunFolder
from taskscape.runs import Experiment
from taskscape.tasks import Depth, SemanticSegmentation, SurfaceNormals
from taskscape.training.loop import Trainer
from taskscape.training.optimization import AdamConfig, Constant


@dataclass(frozen=True)
class TinyConfig(NetworkConfig):
    """A shared convolution and one per task."""

    name: ClassVar[str] = "tiny"
    paper: ClassVar[str] = "none"

    width: int = 8
    """Number of channels."""
    dropout: float = 0.0
    """Fraction of dropped features."""


class Tiny(Network, config=TinyConfig):
    """A shared convolution and one per task."""

    def __init__(self, out_channels: Mapping[str, int], config: TinyConfig | None = None, **options: Any) -> None:
        super().__init__(out_channels)
        config = TinyConfig.of(config, options)
        self.stem = nn.Conv2d(3, config.width, 3, padding=1)
        self.dropout = nn.Dropout(config.dropout)
        self.heads = nn.ModuleDict({task: nn.Conv2d(config.width, n, 3, padding=1) for task, n in out_channels.items()})

    def shared_modules(self) -> tuple[nn.Module, ...]:
        """Return the stem."""
        return (self.stem,)

    def forward(self, image: Tensor) -> Outputs:
        """Return the outputs for an image."""
        features = self.dropout(F.relu(self.stem(image)))
        return Outputs({task: head(features) for task, head in self.heads.items()}, {}, (features,))


def tiny(store: Path) -> Experiment:
    """Return an experiment that takes a second."""
    return Experiment(
        network=TinyConfig(),
        tasks={"semseg": SemanticSegmentation(), "depth": Depth(), "normals": SurfaceNormals()},
        data=Packed(store),
        optimizer=AdamConfig(lr=1e-2),
        schedule=Constant(),
        epochs=3,
        batch_size=4,
        precision="fp32",
        device="cpu",
        keep_checkpoint=True,  # to compare
    )


def dropping(store: Path) -> Experiment:
    """Return the same experiment with dropout in the network."""
    return replace(tiny(store), network=TinyConfig(dropout=0.3))


def trainer(experiment: Experiment, run: Path) -> Trainer:
    """Return a trainer of an experiment into a folder."""
    fabric = launch("cpu")
    stores = runs.open_data(experiment, fabric, quiet=True)
    run.mkdir(parents=True, exist_ok=True)
    return runs.assemble(experiment.for_data(stores["train"]), stores, fabric, RunFolder(run))
