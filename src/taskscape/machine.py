"""Properties of this machine that determine kernels and speed, and a cache of measurements for later runs."""

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psutil
import torch
from filelock import FileLock

from taskscape.files import atomic_write, cache_folder

SETTINGS = ("ONEDNN", "DNNL", "MKLDNN", "ATEN_CPU", "NVIDIA_TF32", "CUDNN", "CUBLAS", "PYTORCH_")
"""Prefixes of environment variables that affect the choice of kernels."""
_PATIENCE = 10
"""Number of seconds for which to wait for another process that adds to the cache."""


class MachineCache:
    """Named measurements of one kind on one machine, kept in a file of the cache folder. A damaged file is ignored.

    The file is written atomically. If it cannot be written, the next run measures again.
    """

    def __init__(self, kind: str, about: Mapping[str, str], folder: Path | None = None) -> None:
        """Take the kind's folder name, and the conditions under which entries are valid (``machine`` and more)."""
        self.machine = dict(about)
        name = hashlib.sha256(json.dumps(self.machine).encode()).hexdigest()[:16]
        try:
            root = folder or cache_folder()
        except ValueError:
            root = Path(os.devnull)  # no folder, so nothing is kept
        self.path = root / kind / f"{name}.json"

    def load(self) -> dict[str, Any]:
        """Return the entries as plain values; empty if there is no file for this machine."""
        try:
            content = json.loads(self.path.read_text("utf-8"))
            return dict(content["entries"]) if content["machine"] == self.machine else {}
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return {}

    def add(self, entries: Mapping[str, Any]) -> None:
        """Add entries to the file, which other processes may do at the same time."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with ExitStack() as stack:
                with suppress(NotImplementedError):  # the file system has no locks
                    stack.enter_context(FileLock(self.path.with_suffix(".lock"), timeout=_PATIENCE))
                content = {"machine": self.machine, "entries": self.load() | dict(entries)}
                atomic_write(self.path, json.dumps(content, indent=1, ensure_ascii=False) + "\n", durable=False)
        except OSError:  # such as a time-out of the lock
            return


def machine(device: torch.device) -> dict[str, str]:
    """Return the versions, the processor or GPU, the number of threads and the settings that affect kernels."""
    properties = {
        "torch": str(torch.__version__),
        "processor": processor(),
        "instructions": _instructions(),
        "threads": str(torch.get_num_threads()),
        "settings": " ".join(f"{k}={v}" for k, v in sorted(os.environ.items()) if k.startswith(SETTINGS)),
    }
    if device.type != "cpu":
        properties["device"] = device.type
    if device.type == "cuda":
        properties["device"] = torch.cuda.get_device_name(device)
        properties["cudnn"] = str(torch.backends.cudnn.version())
    return properties


def free_memory(device: torch.device) -> int:
    """Return the free memory in bytes: of a GPU, or for any other device of the machine, where it includes caches."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available


def processor() -> str:
    """Return the name of the processor."""
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def _instructions() -> str:
    flags = hashlib.sha256(_cpuinfo("flags").encode()).hexdigest()[:16]
    return f"{torch.backends.cpu.get_cpu_capability()} {flags}"


def _cpuinfo(field: str) -> str:
    """Return a field of the first processor in ``/proc/cpuinfo``, or "" on other systems than Linux."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.partition("\t")[0] == field), "")
