"""What a network computes for an image, and on what it does so."""

import platform

import torch

import taskscape
from taskscape.distributed import world_size
from taskscape.models import Network


def flops(network: Network, size: tuple[int, int]) -> int:
    """Return the floating-point operations of one image of (H, W), a multiply-add counted as two."""
    from torch.utils.flop_counter import FlopCounterMode  # with triton, where that is installed

    parameter = next(network.parameters())
    # With gradients: the counter's hooks on modules that get a parameter as an argument fail without.
    with FlopCounterMode(display=False) as counter, torch.enable_grad():
        network(torch.zeros(1, 3, *size, device=parameter.device, dtype=parameter.dtype))
    return int(counter.get_total_flops())


def environment(device: torch.device) -> dict[str, str]:
    """Return versions and hardware of an evaluation, in general terms."""
    gpu = device.type == "cuda"
    return {
        "taskscape": taskscape.__version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "device": torch.cuda.get_device_name(device) if gpu else f"CPU, {_threads()}",
        "processes": str(world_size()),
    }


def _threads() -> str:
    count = torch.get_num_threads()
    return "1 thread" if count == 1 else f"{count} threads"
