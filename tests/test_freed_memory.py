"""Memory that a step frees."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
from taskscape.training.freed_memory import keep_freed_memory

if sys.argv[1] == "kept":
    keep_freed_memory()

def new_pages():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    bytearray(b"1") * 2**27
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

new_pages()
print(new_pages())
"""


def new_pages(how: str) -> int:
    return int(subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="settings of the GNU C library")
def test_memory_that_is_kept_is_not_asked_for_again() -> None:
    assert new_pages("usual") > 50  # few where the system has large pages
    assert new_pages("kept") < 20
