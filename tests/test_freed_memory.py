"""Memory that a step frees."""

import platform
import subprocess
import sys

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
    assert min(usual, afterwards, elsewhere) > 50  # few where the system has large pages
