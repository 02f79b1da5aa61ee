"""Operations of a network per image, and the environment of a measurement."""

import platform

import torch

import taskscape
from taskscape.distributed import world_size
from taskscape.models import Network
from taskscape.serialization import counted


def flops(network: Network, size: tuple[int, int]) -> int:
    """Return the floating-point operations for one image of (H, W); a multiply-add counts as two."""
    from torch.utils.flop_counter import FlopCounterMode  # imports triton, if that is installed

    parameter = next(network.parameters())
    # Without gradients, the counter's hooks fail on modules that get a parameter as an argument.
    with FlopCounterMode(display=False) as counter, torch.enable_grad():
        network(torch.zeros(1, 3, *size, device=parameter.device, dtype=parameter.dtype))
    return int(counter.get_total_flops())


def environment(device: torch.device) -> dict[str, str]:
    """Return the versions and the hardware of an evaluation, in general terms."""
    threads = counted(torch.get_num_threads(), "thread", "threads")
    return {
        "taskscape": taskscape.__version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {threads}",
        "processes": str(world_size()),
    }
