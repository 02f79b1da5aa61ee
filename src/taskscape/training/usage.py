"""Memory and energy used by training, as far as the system reports them."""

import sys
from pathlib import Path

import psutil
import torch

_MEBIBYTE = 2**20


class Usage:
    """Reads the memory and energy used by this process and its GPU; with several processes, each reads its own."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.joules = _joules(device)

    def read(self) -> dict[str, float]:
        """Return the columns of an epoch.

        ``memory/process`` is the peak memory of the process so far and ``memory/gpu`` the peak memory of tensors on the
        GPU, both in MiB; ``energy/gpu`` is the energy that the whole GPU used since the last reading, in joules. Values
        that the system does not report are left out; the energy needs ``nvidia-ml-py``.
        """
        values = {"memory/process": _peak() / _MEBIBYTE}
        if self.device.type == "cuda":
            values["memory/gpu"] = torch.cuda.max_memory_allocated(self.device) / _MEBIBYTE
        previous, self.joules = self.joules, _joules(self.device)
        if previous is not None and self.joules is not None:
            values["energy/gpu"] = self.joules - previous
        return values


def _peak() -> float:
    """Return the peak memory of this process in bytes."""
    if sys.platform == "win32":
        return float(psutil.Process().memory_info().peak_wset)
    try:  # Linux, whose getrusage starts from the memory of the parent process
        status = Path("/proc/self/status").read_text()
        return float(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))) * 1024
    except (OSError, StopIteration, ValueError):
        import resource

        return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * (1 if sys.platform == "darwin" else 1024)


def _joules(device: torch.device) -> float | None:
    """Return the joules that the GPU has used since its driver was loaded; None where they are not reported."""
    if device.type != "cuda":
        return None
    try:
        import pynvml

        pynvml.nvmlInit()
        uuid = f"GPU-{torch.cuda.get_device_properties(device).uuid}"  # NVML may number GPUs differently from torch
        return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(pynvml.nvmlDeviceGetHandleByUUID(uuid))) / 1000
    except Exception:  # the module is missing, or the driver or the GPU does not report it
        return None
