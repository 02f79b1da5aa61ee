"""Devices and processes: Fabric, launched as one process or by ``torchrun`` or SLURM."""

import os
from typing import Any, Literal

import torch
import torch.distributed as dist
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import Tensor, nn


class SummingDDP(DDPStrategy):
    """DDP that sums gradients over the processes instead of averaging them.

    Every process's loss is its share of the joint loss, so that the sum is the gradient of the joined batch.
    """

    def setup_module(self, module: nn.Module) -> nn.parallel.DistributedDataParallel:
        """Wrap the network."""
        wrapped = super().setup_module(module)
        wrapped.register_comm_hook(None, _sum)
        return wrapped


def _sum(_: Any, bucket: dist.GradBucket) -> torch.futures.Future[Tensor]:  # type: ignore[name-defined]
    work = dist.all_reduce(bucket.buffer(), async_op=True)
    return work.get_future().then(lambda future: future.value()[0])


def launch(device: Literal["auto", "cpu", "cuda"] = "auto") -> Fabric:
    """Join the other processes, if ``torchrun`` or SLURM started any, and choose this one's device.

    Raises ``ValueError`` when a GPU is asked for where there is none.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device is cuda, but torch sees no GPU; install a CUDA build of torch or use --device cpu")
    accelerator = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
    world = int(os.environ.get("WORLD_SIZE", os.environ.get("SLURM_NTASKS", 1)))
    here = int(os.environ.get("LOCAL_WORLD_SIZE", os.environ.get("SLURM_NTASKS_PER_NODE", world)))
    fabric = Fabric(
        accelerator=accelerator,
        devices=here,
        num_nodes=max(world // here, 1),
        strategy=SummingDDP() if world > 1 else "auto",
    )
    fabric.launch()
    return fabric
