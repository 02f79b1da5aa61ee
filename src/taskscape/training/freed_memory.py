"""What a step frees, for the next step."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""Numbers of settings in malloc.h of the GNU C library."""
_MOST_KEPT, _BLOCKS = 64 << 20, 65536
"""What they are without a change: the most that the library comes to keep by itself, and its default."""
_LARGE_PAGES = 14
"""A number in mman.h of Linux."""
_COUNTED, _STRICTLY = Path("/proc/sys/vm/overcommit_memory"), "2"
"""Whether addresses are counted as memory that is in use before something is written there."""


@contextmanager
def freed_memory_kept(device: torch.device) -> Iterator[None]:
    """Let this process keep the memory that it frees, and give it back in the end; its peak hardly changes.

    The GNU C library gives large blocks back at once, and what is free at the end of the heap from 64 MiB on. A step on
    a CPU then asks for them again, and the system fills them with zeros page by page: 2 to 7 % of its
    time (``benchmarks/freed_memory.py``). Where the system allows it, what is kept is of large pages: 1 to 6 % more.
    Nothing happens with another C library, or where ``device`` is no CPU.
    """
    if device.type != "cpu" or sys.platform != "linux" or not hasattr(libc := ctypes.CDLL(None), "mallopt"):
        yield
        return
    libc.mallopt(_TRIM_THRESHOLD, -1)  # never
    libc.mallopt(_MMAP_MAX, 0)  # no block by itself
    _prefer_large_pages(libc)
    try:
        yield
    finally:
        libc.mallopt(_TRIM_THRESHOLD, _MOST_KEPT)
        libc.mallopt(_MMAP_MAX, _BLOCKS)
        libc.malloc_trim(0)


def _prefer_large_pages(libc: ctypes.CDLL) -> None:
    """Let the heap grow in pages of 2 MiB, where the system has them for who asks: the processor finds these sooner.

    One asks for them by address, and so the heap first grows to half as many addresses as the machine has memory. They
    take none of it before something is written there. Nothing is done where the system counts addresses as memory.
    """
    if _COUNTED.exists() and _COUNTED.read_text().strip() == _STRICTLY:
        return
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.argtypes, libc.madvise.argtypes = [ctypes.c_void_p], [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    page = os.sysconf("SC_PAGE_SIZE")
    size = os.sysconf("SC_PHYS_PAGES") // 2 * page
    if (start := libc.malloc(size)) is not None:  # refused where address space is limited
        libc.madvise(-(-start // page) * page, size - page, _LARGE_PAGES)
        libc.free(start)
