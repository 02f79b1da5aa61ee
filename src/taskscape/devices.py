"""Device names, and the torch devices that they stand for on this machine."""

import re
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy.typing as npt
    import torch


def check_device_name(name: "str | torch.device") -> None:
    """Raise ``ValueError`` unless ``name`` is a device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` … or ``mps``."""
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?|mps(:0)?", str(name)):
        raise ValueError(
            f"device is {str(name)!r}: it must be auto, cpu, cuda, cuda:N with the number of a GPU, or mps"
        )


def find_device(name: "str | torch.device" = "auto") -> "torch.device":
    """Return the device with this name; ``auto`` is an NVIDIA GPU if there is one, otherwise the CPU.

    Raises ``ValueError`` with the remedy if this machine or this build of torch has no such device.
    """
    import torch

    check_device_name(name)
    name = str(name)
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        name = "cuda" if gpus else "cpu"
    if name.startswith("cuda"):
        if not gpus:
            raise ValueError(
                f"device is {name}, but torch finds no GPU; install a CUDA build of torch or use --device cpu"
            )
        if (number := int(name.partition(":")[2] or 0)) >= gpus:
            available = ", ".join(f"cuda:{i}" for i in range(gpus))
            raise ValueError(f"device is {name}, but there is no GPU number {number}; there is {available}")
    if name.startswith("mps") and not torch.backends.mps.is_available():
        raise ValueError(
            "device is mps, but torch finds no Apple GPU; mps needs macOS on Apple silicon, so use --device cpu"
        )
    return torch.device(name)


def with_float64(device: "torch.device") -> "torch.device":
    """Return the device for float64 sums: the device itself, or the CPU if it does not support float64 (MPS)."""
    import torch

    return torch.device("cpu") if device.type == "mps" else device


def is_quick_to_read(tensor: "torch.Tensor") -> bool:
    """Return whether the host can read a tensor without waiting, as on a CPU; checks of values read no others."""
    return tensor.device.type == "cpu"


def on_device(numbers: "npt.NDArray[Any] | torch.Tensor", device: "torch.device") -> "torch.Tensor":
    """Copy an array from main memory to a device without waiting for the GPU.

    The copy is queued ahead of the work that uses it. Without pinned memory, torch's ``.to`` would wait until the GPU
    has finished all work queued before.
    """
    import torch

    tensor = torch.as_tensor(numbers)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def constant(numbers: Iterable[float], like: "torch.Tensor") -> "torch.Tensor":
    """Return the numbers as a tensor (N,) with the device and dtype of ``like``, the same tensor on every call.

    The tensor is cached for the lifetime of the process and must not be modified. A new tensor in every step would mean
    a copy to the GPU, which the step waits for and a CUDA graph cannot capture.
    """
    return _constant(tuple(numbers), like.dtype, like.device)


@cache
def _constant(numbers: tuple[float, ...], dtype: "torch.dtype", device: "torch.device") -> "torch.Tensor":
    import torch

    with torch.inference_mode(False):  # an inference tensor could not take part in computing gradients
        return torch.tensor(numbers, dtype=dtype, device=device)
