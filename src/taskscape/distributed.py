"""Training with several processes and machines: Fabric, launched by ``torchrun`` or SLURM, and sums over all processes.

Without a process group, every function here acts as if its process were the only one.
"""

import atexit
import gc
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from taskscape.devices import find_device
from taskscape.parallel import launched_processes

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from lightning_fabric.strategies.ddp import DDPStrategy

    Processes: TypeAlias = "Fabric | OneProcess"
    """The result of ``launch``: this process's place among all processes, and its device."""


T = TypeVar("T")


class OneProcess:
    """A stand-in for Fabric with a single process. Importing Fabric takes a second, as it imports torch's compiler."""

    is_global_zero = True

    def __init__(self, device: torch.device) -> None:
        """Store the device and make it the current one, where tensors go if no GPU is named."""
        self.device = device if device.type == "cpu" else torch.device(device.type, device.index or 0)
        if device.type == "cuda":
            torch.cuda.set_device(self.device)

    def rank_zero_first(self) -> AbstractContextManager[None]:
        """Run the block immediately, since there is no other process to wait for."""
        return nullcontext()

    def barrier(self) -> None:
        """Return immediately, since there is no other process to wait for."""


def world_size() -> int:
    """Return the number of processes."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Return this process's number, 0 … world_size() - 1."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def all_reduce_sum(x: Tensor) -> Tensor:
    """Return the sum of ``x`` over all processes, without a gradient. Every process must call this function."""
    x = x.detach().clone()
    if world_size() > 1:
        dist.all_reduce(x)
    return x


def all_reduce_sum_local_gradient(x: Tensor) -> Tensor:
    """Return the sum of ``x`` over all processes, with a gradient only through this process's ``x``.

    A loss that is not linear in its sums needs the global value for a correct local gradient. The gradients of all
    processes are summed afterwards, so each process contributes only its own part.
    """
    return x if world_size() == 1 else x + (all_reduce_sum(x) - x.detach())


def all_reduce_coalesced_(tensors: Sequence[Tensor]) -> None:
    """Replace each tensor by its sum over all processes, with one all-reduce per dtype."""
    if world_size() == 1:
        return
    for dtype in dict.fromkeys(t.dtype for t in tensors):  # in the same order on every process
        group = [t for t in tensors if t.dtype == dtype]
        flat = torch.cat([t.reshape(-1) for t in group])
        dist.all_reduce(flat)
        for t, part in zip(group, flat.split([t.numel() for t in group]), strict=True):
            t.copy_(part.view_as(t))


def of_first_process(value: T, device: torch.device) -> T:
    """Return the first process's value, which must be picklable. Every process must call this function."""
    if world_size() == 1:
        return value
    values = [value]
    dist.broadcast_object_list(values, 0, device=device)
    return values[0]


def _sum_hook(_: Any, bucket: dist.GradBucket) -> torch.futures.Future[Tensor]:  # type: ignore[name-defined]
    work = dist.all_reduce(bucket.buffer(), async_op=True)
    return work.get_future().then(lambda future: future.value()[0])


def _summing_ddp() -> "DDPStrategy":
    """Return a DDP strategy that sums gradients over the processes instead of averaging them.

    Each process divides its sum of losses by the global count, so summing the gradients gives that of the global batch.
    """
    from lightning_fabric.strategies.ddp import DDPStrategy

    class SummingDDP(DDPStrategy):
        def setup_module(self, module: nn.Module) -> nn.parallel.DistributedDataParallel:
            wrapped = super().setup_module(module)
            wrapped.register_comm_hook(None, _sum_hook)
            return wrapped

    return SummingDDP()


@contextmanager
def _hidden(package: str) -> Iterator[None]:
    """Hide an installed package from imports, unless it is imported already.

    If torchmetrics is installed, Fabric imports it only to check its version, which takes three seconds of CPU time.
    """
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment]  # makes an import raise ModuleNotFoundError
    try:
        yield
    finally:
        del sys.modules[package]


def launch(device: str = "auto") -> "Processes":
    """Join the processes that ``torchrun`` or ``srun`` started, if any, and select this process's device.

    Raises ``ValueError`` under the same conditions as ``find_device``, and if several processes would share one GPU.
    """
    torch_device = find_device(device)
    processes = launched_processes()
    local_world_size = int(os.environ.get("LOCAL_WORLD_SIZE", os.environ.get("SLURM_NTASKS_PER_NODE", processes)))
    if processes == 1:
        return OneProcess(torch_device)
    if ":" in str(torch_device) or torch_device.type == "mps":
        raise ValueError(
            f"device is {device} and there are {processes} processes: use --device cuda, with one GPU per process"
        )
    with _hidden("torchmetrics"):
        from lightning_fabric import Fabric

    fabric = Fabric(
        accelerator=torch_device.type,
        devices=local_world_size,
        num_nodes=max(processes // local_world_size, 1),
        strategy=_summing_ddp(),
    )
    fabric.launch()
    atexit.register(_leave)
    return fabric


def _leave() -> None:
    """Leave the process group before the interpreter ends, whose end may otherwise abort a process that is finished.

    Threads of the group would still release what it was given in Python, such as the hook that sums gradients.
    """
    if dist.is_initialized():  # not if an earlier call left it: each launch registers one
        gc.collect()  # modules with such a hook are in reference cycles
        dist.destroy_process_group()
