"""Memory that a step frees is kept."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import resource
from torch import device
from taskscape.training.freed_memory import freed_memory_kept

def new_pages():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    bytearray(b"1") * 2**27
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

new_pages()
print(new_pages())
with freed_memory_kept(device("cpu")):
    new_pages()
    print(new_pages())
print(new_pages())
with freed_memory_kept(device("meta")):
    print(new_pages())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="settings of the GNU C library")
def test_memory_that_is_kept_is_not_asked_for_again() -> None:
    found = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, check=True).stdout
    usual, kept, afterwards, elsewhere = map(int, found.split())
    assert kept < 20
    assert min(usual, afterwards, elsewhere) > 50  # few if the system uses large pages


LARGEST = """
from pathlib import Path
from torch import device
from taskscape.training.freed_memory import freed_memory_kept

with freed_memory_kept(device("cpu")):
    held = bytearray(b"1") * 2**28
    parts = [part.split() for part in Path("/proc/self/smaps").read_text().split("[heap]")[1:]]
    largest = max(parts, key=lambda words: int(words[words.index("Rss:") + 1]))
    print(*largest[largest.index("VmFlags:") :])
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="settings of the GNU C library")
@pytest.mark.skipif(not Path("/sys/kernel/mm/transparent_hugepage").exists(), reason="a system without large pages")
def test_memory_that_is_kept_may_be_of_large_pages() -> None:
    flags = subprocess.run([sys.executable, "-c", LARGEST], capture_output=True, check=True, text=True).stdout
    assert "hg" in flags.split()
