"""Train a network of a few thousand parameters with each weighting, on any number of processes.

    torchrun --nproc-per-node 2 small_network.py OUT.pt

trains it with every method and writes the weights of every step and the final parameters.
"""

import io
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import Tensor, nn

from taskscape.batch import Batch, Target
from taskscape.distributed import launch, rank, world_size
from taskscape.losses import SILog
from taskscape.modalities.class_sets import CITYSCAPES_7
from taskscape.models import Network, Outputs
from taskscape.objectives import Supervised
from taskscape.tasks import Depth, SemanticSegmentation, SurfaceNormals
from taskscape.training.step import TrainingStep
from taskscape.weighting import CONFIGS, GradientConfig, NashMTLConfig, UncertaintyConfig, Weighting, WeightingConfig

TASKS = {
    "semseg": SemanticSegmentation(CITYSCAPES_7),
    "depth": Depth(loss=SILog(per_image=False)),  # not linear in its sums over the pixels
    "normals": SurfaceNormals(),
}
STEPS, PER_EPOCH = 6, 2


def methods() -> dict[str, WeightingConfig]:
    """Return all methods with their defaults, in both modes if there are two, and variants that compute differently."""
    configs: dict[str, WeightingConfig] = {}
    for name, config in CONFIGS.items():
        if issubclass(config, GradientConfig):
            configs |= {f"{name}/{mode}": config(mode=mode) for mode in ("parameters", "features")}
        else:
            configs[name] = config()
    configs["uncertainty/xtask"] = UncertaintyConfig("xtask")
    configs["nash-mtl/every 3"] = NashMTLConfig(every=3)
    configs["upgrad/preference"] = replace(configs["upgrad/features"], preference={"depth": 3.0})
    return configs


class SmallNetwork(Network):
    """An encoder, and heads that read its last features and a skip from which these are computed."""

    def __init__(self) -> None:
        super().__init__({name: task.channels for name, task in TASKS.items()})
        self.first = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.GroupNorm(4, 8), nn.ReLU())
        self.second = nn.Conv2d(8, 12, 3, 2, 1)
        self.heads = nn.ModuleDict({task: nn.Conv2d(20, n, 1) for task, n in self.out_channels.items()})

    def shared_modules(self) -> tuple[nn.Module, ...]:
        return self.first, self.second

    def forward(self, image: Tensor) -> Outputs:
        skip = self.first(image)
        deep = self.second(skip)
        skip, deep = skip.view_as(skip), deep.view_as(deep)
        both = torch.cat([skip, F.interpolate(deep, size=skip.shape[-2:])], 1).relu()
        final = {task: F.interpolate(head(both), size=image.shape[-2:]) for task, head in self.heads.items()}
        return Outputs(final, {}, (skip, deep))


def images(step: int, dtype: torch.dtype = torch.float64) -> Batch:
    """Return this process's part of the global batch of four images of a step.

    The second half never has normals; step 1 has none at all, and the third epoch has no depth.
    """
    g = torch.Generator().manual_seed(step)
    b, h, w = 4, 10, 14
    value = {
        "semseg": torch.randint(0, 7, (b, h, w), generator=g),
        "depth": torch.rand(b, 1, h, w, generator=g, dtype=dtype) * 30 + 1,
        "normals": F.normalize(torch.randn(b, 3, h, w, generator=g, dtype=dtype), dim=1),
    }
    valid = {task: torch.rand(b, h, w, generator=g) < p for task, p in zip(TASKS, (0.9, 0.5, 0.3), strict=True)}
    valid["normals"][b // 2 :] = False
    if step == 1:
        valid["normals"][:] = False
    if step // PER_EPOCH == 2:
        valid["depth"][:] = False
    image = torch.rand(b, 3, h, w, generator=g, dtype=dtype)
    # Unequal parts: the first process has one more image than the second.
    part = slice(0, b) if world_size() == 1 else (slice(0, 3), slice(3, 4))[rank()]
    return Batch(image[part], {t: Target(value[t][part], valid[t][part]) for t in TASKS}, torch.arange(b)[part])


class Run:
    """The training loop, step by step."""

    def __init__(
        self,
        config: WeightingConfig,
        dtype: torch.dtype = torch.float64,
        bf16: bool = False,
        fabric: Fabric | None = None,
    ) -> None:
        torch.manual_seed(0)
        self.network = SmallNetwork().to(dtype)
        self.weighting: Weighting = config.build(tuple(TASKS), seed=3).to(dtype)
        self.weighting.check(shared_parameters=True, shared_features=True, compiled=False)
        self.dtype = dtype
        learned = [p for p in self.weighting.parameters() if p.requires_grad]
        rate = 0.03
        groups: list[dict[str, Any]] = [{"params": list(self.network.parameters())}]
        if learned:
            groups.append({"params": learned, "lr": self.weighting.learning_rate or rate})
        self.optimizer = torch.optim.SGD(groups, rate, momentum=0.9)
        # With a seed, other random numbers differ between processes.
        self.take = TrainingStep(
            self.network,
            TASKS,
            Supervised(),
            self.weighting,
            self.optimizer,
            precision="bf16" if bf16 else "fp32",
            seed=0,
            fabric=fabric,
        )
        self.losses: dict[str, list[float]] = {}

    def step(self, index: int) -> dict[str, Tensor]:
        result = self.take(images(index, self.dtype), index)
        for task, loss in result.losses.items():
            self.losses.setdefault(task, []).append(loss.item())
        if index % PER_EPOCH == PER_EPOCH - 1:
            self.weighting.epoch_end({task: sum(values) / len(values) for task, values in self.losses.items()})
            self.losses.clear()
        return result.weights

    def state(self) -> dict[str, Any]:
        return {name: getattr(self, name).state_dict() for name in ("network", "weighting", "optimizer")}

    def saved(self) -> io.BytesIO:
        """Return the state and the losses so far, as a file like a checkpoint."""
        file = io.BytesIO()
        torch.save({**self.state(), "losses": self.losses}, file)
        file.seek(0)
        return file

    def resume(self, file: io.BytesIO) -> None:
        """Continue from such a file."""
        state = torch.load(file, weights_only=True)
        self.losses = state.pop("losses")
        self.load(state)

    def load(self, state: dict[str, Any]) -> None:
        for name, part in state.items():
            getattr(self, name).load_state_dict(part)

    def parameters(self) -> Tensor:
        return torch.cat([p.detach().flatten() for p in self.network.parameters()])


def trajectory(
    config: WeightingConfig, dtype: torch.dtype = torch.float64, bf16: bool = False, fabric: Fabric | None = None
) -> tuple[list[dict[str, Tensor]], Tensor]:
    """Return the weights of every step and the parameters at the end."""
    run = Run(config, dtype, bf16, fabric)
    steps = 3 if bf16 else STEPS
    return [run.step(index) for index in range(steps)], run.parameters()


def buildable() -> Iterator[tuple[str, WeightingConfig]]:
    """Yield the methods whose solvers are installed."""
    for name, config in methods().items():
        try:
            config.build(tuple(TASKS))
        except ValueError as error:
            assert "pip install" in str(error)
        else:
            yield name, config


def trajectories(rank: int) -> dict[str, dict[str, Any]]:
    """Return the trajectories of all methods in one of several processes, by precision and name."""
    fabric = launch("cpu")
    return {
        precision: {name: trajectory(config, dtype, bf16, fabric) for name, config in buildable()}
        for precision, dtype, bf16 in (("float64", torch.float64, False), ("bf16", torch.float32, True))
    }
