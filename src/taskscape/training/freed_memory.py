"""What a step frees, for the next step."""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""Numbers of settings in malloc.h of the GNU C library."""
_MOST_KEPT, _BLOCKS = 64 << 20, 65536
"""What they are without a change: the most that the library comes to keep by itself, and its default."""


@contextmanager
def freed_memory_kept(device: torch.device) -> Iterator[None]:
    """Let this process keep the memory that it frees, and give it back in the end; its peak hardly changes.

    The GNU C library gives large blocks back at once, and what is free at the end of the heap from 64 MiB on. A step on
    a CPU then asks for them again, and the system fills them with zeros page by page: 2 to 7 % of its
    time (``benchmarks/freed_memory.py``). Nothing happens with another C library, or where ``device`` is no CPU.
    """
    if device.type != "cpu" or sys.platform != "linux" or not hasattr(libc := ctypes.CDLL(None), "mallopt"):
        yield
        return
    libc.mallopt(_TRIM_THRESHOLD, -1)  # never
    libc.mallopt(_MMAP_MAX, 0)  # no block by itself
    try:
        yield
    finally:
        libc.mallopt(_TRIM_THRESHOLD, _MOST_KEPT)
        libc.mallopt(_MMAP_MAX, _BLOCKS)
        libc.malloc_trim(0)
