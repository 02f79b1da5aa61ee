"""A network of a few thousand parameters trained by each weighting as ``train.py`` would, on any number of processes.

    torchrun --nproc-per-node 2 small_network.py OUT.pt

trains it by every method and writes the weights of every step and the parameters at the end.
"""

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from taskscape.distributed import joined, rank, share, sum_in_place, total, world
from taskscape.weighting import OPTIONS, AggregatorConfig, NashMTLConfig, Shared, UncertaintyConfig, Weighting, WeightingConfig

TASKS = ("semseg", "depth", "normals")
CHANNELS = (5, 1, 3)
STEPS, PER_EPOCH = 6, 2


def methods() -> dict[str, WeightingConfig]:
    """Every method with its defaults, in both modes where it has two, and variants that compute something else."""
    found: dict[str, WeightingConfig] = {}
    for name, options in OPTIONS.items():
        if issubclass(options, AggregatorConfig | NashMTLConfig):
            found |= {f"{name}/{mode}": options(mode=mode) for mode in ("parameters", "features")}
        else:
            found[name] = options()
    found["uncertainty/xtask"] = UncertaintyConfig("xtask")
    found["nash-mtl/every 3"] = NashMTLConfig(every=3)
    found["upgrad/preference"] = replace(found["upgrad/features"], preference={"depth": 3.0})
    return found


class Predictions(NamedTuple):
    final: dict[str, Tensor]
    shared: tuple[Tensor, ...]


class Network(nn.Module):
    """An encoder, and heads that read its last features and a skip from which those are computed."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.GroupNorm(4, 8), nn.ReLU())
        self.second = nn.Conv2d(8, 12, 3, 2, 1)
        self.heads = nn.ModuleDict({task: nn.Conv2d(20, n, 1) for task, n in zip(TASKS, CHANNELS, strict=True)})

    def forward(self, image: Tensor) -> Predictions:
        skip = self.first(image)
        deep = self.second(skip)
        skip, deep = skip.view_as(skip), deep.view_as(deep)
        both = torch.cat([skip, F.interpolate(deep, size=skip.shape[-2:])], 1).relu()
        final = {task: F.interpolate(head(both), size=image.shape[-2:]) for task, head in self.heads.items()}
        return Predictions(final, (skip, deep))


class Images(NamedTuple):
    image: Tensor
    target: dict[str, Tensor]
    valid: dict[str, Tensor]


def images(step: int, dtype: torch.dtype = torch.float64) -> Images:
    """This process's part of the joined batch of four of a step.

    The second half never has normals; there are none at all in step 1, and no depth in the third epoch.
    """
    g = torch.Generator().manual_seed(step)
    b, h, w = 4, 10, 14
    target = {
        "semseg": torch.randint(0, 5, (b, h, w), generator=g),
        "depth": torch.rand(b, h, w, generator=g, dtype=dtype) * 3,
        "normals": F.normalize(torch.randn(b, 3, h, w, generator=g, dtype=dtype), dim=1),
    }
    valid = {task: torch.rand(b, h, w, generator=g) < p for task, p in zip(TASKS, (0.9, 0.5, 0.3), strict=True)}
    valid["normals"][b // 2 :] = False
    if step == 1:
        valid["normals"][:] = False
    if step // PER_EPOCH == 2:
        valid["depth"][:] = False
    image = torch.randn(b, 3, h, w, generator=g, dtype=dtype)
    # Unequal parts: the first process has one image more than the second.
    mine = slice(0, b) if world() == 1 else (slice(0, 3), slice(3, 4))[rank()]
    return Images(image[mine], *({t: x[mine] for t, x in d.items()} for d in (target, valid)))


def losses_of(final: dict[str, Tensor], batch: Images) -> dict[str, Tensor]:
    """One loss per task with a valid pixel in the joined batch, this process's share: two are linear, depth is not."""
    counts = {task: total(batch.valid[task].sum()) for task in TASKS}
    losses = {}
    for task in TASKS:
        if counts[task] == 0:
            continue
        raw, target, valid = final[task].to(batch.image.dtype), batch.target[task], batch.valid[task]
        if task == "semseg":
            losses[task] = (F.cross_entropy(raw, target, reduction="none") * valid).sum() / counts[task]
        elif task == "normals":
            losses[task] = ((1 - F.cosine_similarity(raw, target, dim=1)) * valid).sum() / counts[task]
        else:
            error = (raw[:, 0] - target) * valid
            mean, square = joined(error.sum()) / counts[task], joined((error**2).sum()) / counts[task]
            losses[task] = share((square - 0.85 * mean**2).sqrt())
    return losses


class Run:
    """The training loop of the contract."""

    def __init__(self, options: WeightingConfig, dtype: torch.dtype = torch.float64, bf16: bool = False) -> None:
        torch.manual_seed(0)
        self.network = Network().to(dtype)
        self.weighting: Weighting = options.build(TASKS, seed=3).to(dtype)
        self.dtype, self.bf16 = dtype, bf16
        learnt = [p for p in self.weighting.parameters() if p.requires_grad]
        rate = 0.03
        groups: list[dict[str, Any]] = [{"params": list(self.network.parameters())}]
        if learnt:
            groups.append({"params": learnt, "lr": self.weighting.learning_rate or rate})
        self.optimizer = torch.optim.SGD(groups, rate, momentum=0.9)
        self.module: nn.Module = self.network
        if world() > 1:
            self.module = DistributedDataParallel(self.network)
            self.module.register_comm_hook(None, _sum)
        encoder = (*self.network.first.parameters(), *self.network.second.parameters())
        self.parts = encoder, tuple(self.network.second.parameters()), tuple(self.network.heads.parameters())
        self.means: dict[str, list[float]] = {}

    def _losses(self, batch: Images) -> tuple[dict[str, Tensor], Predictions]:
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            predictions = self.module(batch.image)
        return losses_of(predictions.final, batch), predictions

    def step(self, index: int) -> dict[str, Tensor] | None:
        torch.manual_seed(1000 * index + rank())  # what else draws does so differently on every process
        batch = images(index, self.dtype)
        self.optimizer.zero_grad(set_to_none=True)
        all_there = all(total(batch.valid[task].sum()) > 0 for task in TASKS)
        in_backward = self.weighting.one_backward and all_there
        quiet = nullcontext() if in_backward or world() == 1 else self.module.no_sync()
        with quiet:
            losses, predictions = self._losses(batch)
            encoder, last, own = self.parts
            shared = Shared(encoder, predictions.shared, last, own)
            if index == 0:
                self.weighting.check(shared, compiled=False)
            weights = self.weighting.backward(losses, shared)
        unsummed = [*self.weighting.parameters()] + ([] if in_backward else [*self.network.parameters()])
        sum_in_place([p.grad for p in unsummed if p.grad is not None])
        self.optimizer.step()
        with torch.no_grad():
            self.weighting.after_step(lambda: self._losses(batch)[0])
        for task, loss in losses.items():
            self.means.setdefault(task, []).append(total(loss).item())
        if index % PER_EPOCH == PER_EPOCH - 1:
            self.weighting.epoch_end({task: sum(values) / len(values) for task, values in self.means.items()})
            self.means.clear()
        return weights

    def state(self) -> dict[str, Any]:
        return {name: getattr(self, name).state_dict() for name in ("network", "weighting", "optimizer")}

    def load(self, state: dict[str, Any]) -> None:
        for name, part in state.items():
            getattr(self, name).load_state_dict(part)

    def parameters(self) -> Tensor:
        return torch.cat([p.detach().flatten() for p in self.network.parameters()])


def _sum(_: Any, bucket: dist.GradBucket) -> torch.futures.Future[Tensor]:
    work = dist.all_reduce(bucket.buffer(), async_op=True)
    return work.get_future().then(lambda future: future.value()[0])


def trajectory(
    options: WeightingConfig, dtype: torch.dtype = torch.float64, bf16: bool = False
) -> tuple[list[dict[str, Tensor] | None], Tensor]:
    """Return the weights of every step and the parameters at the end."""
    run = Run(options, dtype, bf16)
    steps = 3 if bf16 else STEPS
    return [run.step(index) for index in range(steps)], run.parameters()


def buildable() -> Iterator[tuple[str, WeightingConfig]]:
    """The methods whose solvers are installed."""
    for name, options in methods().items():
        try:
            options.build(TASKS)
        except ValueError as error:
            assert "pip install" in str(error)
        else:
            yield name, options


if __name__ == "__main__":
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    found = {
        precision: {name: trajectory(options, dtype, bf16) for name, options in buildable()}
        for precision, dtype, bf16 in (("float64", torch.float64, False), ("bf16", torch.float32, True))
    }
    everyone: list[Any] = [None] * world()
    dist.all_gather_object(everyone, found)
    if rank() == 0:
        torch.save(everyone, sys.argv[1])
    dist.destroy_process_group()
