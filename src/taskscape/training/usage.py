"""Memory and energy that training takes, as far as the system tells."""

import sys
from pathlib import Path

import torch

_MEBIBYTE = 2**20


class Usage:
    """Reads what this process and its GPU have used; with several processes each reads its own."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.joules = _joules(device)

    def read(self) -> dict[str, float]:
        """Return the columns of an epoch.

        ``memory/process`` is the largest memory of the process so far and ``memory/gpu`` the largest that tensors took
        on the GPU, both in MiB; ``energy/gpu`` is what the whole GPU took since the last reading, in joules. What the
        system does not tell is left out; the energy needs ``nvidia-ml-py``.
        """
        values = {}
        if (peak := _peak()) is not None:
            values["memory/process"] = peak / _MEBIBYTE
        if self.device.type == "cuda":
            values["memory/gpu"] = torch.cuda.max_memory_allocated(self.device) / _MEBIBYTE
        before, self.joules = self.joules, _joules(self.device)
        if before is not None and self.joules is not None:
            values["energy/gpu"] = self.joules - before
        return values


def _peak() -> float | None:
    """Return the largest memory of this process in bytes, None where the system does not tell."""
    try:  # Linux; its getrusage begins with the memory of the process that started this one
        status = Path("/proc/self/status").read_text()
        return float(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))) * 1024
    except (OSError, StopIteration, ValueError):
        pass
    if sys.platform == "win32":
        return None
    import resource

    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * (1 if sys.platform == "darwin" else 1024)


def _joules(device: torch.device) -> float | None:
    """Return what the GPU has taken since its driver was loaded; None where nobody tells."""
    if device.type != "cuda":
        return None
    try:
        import pynvml

        pynvml.nvmlInit()
        uuid = f"GPU-{torch.cuda.get_device_properties(device).uuid}"  # its number may differ from torch's
        return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(pynvml.nvmlDeviceGetHandleByUUID(uuid))) / 1000
    except Exception:  # the module is not there, or the driver or the GPU does not tell
        return None
