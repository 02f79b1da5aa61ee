"""Memory that a step frees, kept for the next step."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""Parameters of ``mallopt``, from malloc.h of the GNU C library."""
_USUAL_TRIM_THRESHOLD, _USUAL_MMAP_MAX = 64 << 20, 65536
"""Their usual values: the largest threshold that the library chooses by itself, and its default number of blocks."""
_MADV_HUGEPAGE = 14
"""``MADV_HUGEPAGE`` in mman.h of Linux."""
_OVERCOMMIT, _STRICT = Path("/proc/sys/vm/overcommit_memory"), "2"
"""Setting of Linux, and its value with which addresses count as used memory before anything is written there."""


@contextmanager
def freed_memory_kept(device: torch.device) -> Iterator[None]:
    """Keep the memory that this process frees, and return it to the system at the end; the peak hardly changes.

    The GNU C library returns large blocks to the system at once, and the free end of the heap if it exceeds 64 MiB. A
    step on a CPU then requests this memory again, and the system fills it with zeros page by page: 2 to 7 % of the
    step's time (``benchmarks/freed_memory.py``). Where the system allows it, the memory is kept in large pages, which
    saves 1 to 6 % more. Does nothing with another C library, or if ``device`` is not a CPU.
    """
    if device.type != "cpu" or sys.platform != "linux" or not hasattr(libc := ctypes.CDLL(None), "mallopt"):
        yield
        return
    libc.mallopt(_TRIM_THRESHOLD, -1)  # never
    libc.mallopt(_MMAP_MAX, 0)  # allocate no block outside the heap
    _prefer_large_pages(libc)
    try:
        yield
    finally:
        libc.mallopt(_TRIM_THRESHOLD, _USUAL_TRIM_THRESHOLD)
        libc.mallopt(_MMAP_MAX, _USUAL_MMAP_MAX)
        libc.malloc_trim(0)


def _prefer_large_pages(libc: ctypes.CDLL) -> None:
    """Let the heap grow in pages of 2 MiB where the system offers them on request: they are faster to look up.

    The request needs an address range, so the heap first grows by half as many addresses as the machine has memory.
    They use no memory before something is written there. Does nothing where the system counts addresses as memory.
    """
    if _OVERCOMMIT.exists() and _OVERCOMMIT.read_text().strip() == _STRICT:
        return
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.argtypes, libc.madvise.argtypes = [ctypes.c_void_p], [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    page = os.sysconf("SC_PAGE_SIZE")
    size = os.sysconf("SC_PHYS_PAGES") // 2 * page
    if (start := libc.malloc(size)) is not None:  # refused where address space is limited
        libc.madvise(-(-start // page) * page, size - page, _MADV_HUGEPAGE)
        libc.free(start)
