"""Verdicts about operators, kept for the next run on the same machine."""

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path

import torch

from taskscape.files import atomic_write, cache_folder
from taskscape.selfcheck.apply import REMEDIES
from taskscape.selfcheck.check import TOLERANCE, Verdict

FORMAT = 3
"""Version of the check: a change of what is checked makes it larger, and old verdicts are not used."""

SETTINGS = ("ONEDNN", "DNNL", "MKLDNN", "ATEN_CPU", "NVIDIA_TF32", "CUDNN", "CUBLAS", "PYTORCH_")
"""Environment variables that start so choose kernels."""


class Cache:
    """The verdicts of one machine: processor, its instructions, torch, threads, device. A damaged file is left unused.

    It is written after a check, whole or not at all; where it cannot be written, the next run checks again.
    """

    def __init__(self, device: torch.device, folder: Path | None = None) -> None:
        self.machine = machine(device)
        name = hashlib.sha256(json.dumps(self.machine).encode()).hexdigest()[:16]
        self.path = (folder or cache_folder()) / "precision" / f"{name}.json"

    def load(self) -> dict[str, Verdict]:
        """Return the verdicts by the operators' signatures."""
        try:
            content = json.loads(self.path.read_text("utf-8"))
            if content["machine"] != self.machine:
                return {}
            return {signature: _verdict(entry) for signature, entry in content["operators"].items()}
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return {}

    def add(self, verdicts: Mapping[str, Verdict]) -> None:
        """Add verdicts to those that are there."""
        operators = {key: verdict._asdict() for key, verdict in (self.load() | dict(verdicts)).items()}
        content = {"machine": self.machine, "operators": operators}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(self.path, json.dumps(content, indent=1, ensure_ascii=False) + "\n", durable=False)
        except OSError:
            return


def machine(device: torch.device) -> dict[str, str]:
    """Return what decides which kernels run, besides the operators."""
    about = {
        "check": f"{FORMAT}, tolerance {TOLERANCE}",
        "torch": str(torch.__version__),
        "processor": processor(),
        "instructions": _instructions(),
        "threads": str(torch.get_num_threads()),
        "settings": " ".join(f"{k}={v}" for k, v in sorted(os.environ.items()) if k.startswith(SETTINGS)),
    }
    if device.type != "cpu":
        about["device"] = device.type
    if device.type == "cuda":
        about["device"] = torch.cuda.get_device_name(device)
        about["cudnn"] = str(torch.backends.cudnn.version())
    return about


def processor() -> str:
    """Return the name of the processor."""
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def _instructions() -> str:
    flags = hashlib.sha256(_cpuinfo("flags").encode()).hexdigest()[:16]
    return f"{torch.backends.cpu.get_cpu_capability()} {flags}"


def _cpuinfo(field: str) -> str:
    """Return a field of the first processor on Linux, nothing elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.partition("\t")[0] == field), "")


def _verdict(entry: Mapping[str, object]) -> Verdict:
    wrong, remedy = entry["wrong"], entry["remedy"]
    if not isinstance(wrong, str) or remedy not in (None, *REMEDIES):
        raise ValueError("not a verdict")
    return Verdict(wrong, remedy)
