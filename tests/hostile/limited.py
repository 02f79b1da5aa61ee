"""Call readers in a separate process, with limited memory and time, and check how they reject a file."""

import json
import os
import resource
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

MEMORY = 500 << 20
SECONDS = 20

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="limits are set in a forked process")

Reader = Callable[[Path], Any]


def refused(read: Reader, path: Path, memory: int = MEMORY) -> str:
    """Return the message with which a reader rejects a file, after checking that it is a proper one."""
    outcome = _in_a_process(lambda: [_outcome(read, path)], memory)[0]
    assert outcome is not None, f"{path.name} was read"
    return outcome


def survived(read: Reader, paths: Iterable[Path], memory: int = MEMORY) -> int:
    """Check that a reader reads or rejects each file, and return the number of rejected files."""
    return sum(outcome is not None for outcome in _in_a_process(lambda: [_outcome(read, p) for p in paths], memory))


def _outcome(read: Reader, path: Path) -> str | None:
    start = time.monotonic()
    try:
        read(path)
    except (ValueError, OSError) as error:
        cause: BaseException | None = error
        while cause is not None:
            out_of_memory = isinstance(cause, MemoryError) or "not enough memory" in str(cause)
            assert not out_of_memory, f"{path.name}: tried to take too much memory"
            cause = cause.__cause__
        assert path.name in str(error), f"{path.name} is not named: {error}"
        assert len(str(error)) < 10_000, f"{path.name}: a message of {len(str(error))} letters"
        return str(error)
    finally:
        assert time.monotonic() - start < SECONDS, f"{path.name}: took {time.monotonic() - start:.0f} s"
    return None


def _in_a_process(call: Callable[[], list[str | None]], memory: int) -> list[str | None]:
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:  # never returns
        try:
            os.close(receive)
            size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (size + memory,) * 2)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            signal.alarm(3 * SECONDS)
            try:
                answer: Any = call()
            except BaseException as error:
                answer = f"{type(error).__name__}: {error}"
            with os.fdopen(send, "w") as pipe:
                json.dump(answer, pipe)
        finally:
            os._exit(0)
    os.close(send)
    with os.fdopen(receive) as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    assert text, f"the process ended by signal {status & 127}"
    answer = json.loads(text)
    assert isinstance(answer, list), answer
    return answer


def variants(content: bytes, folder: Path, suffix: str, cuts: int = 40, flips: int = 60) -> list[Path]:
    """Write variants of a file, truncated at many places or with a single byte changed, and return their paths."""
    import random

    chance = random.Random(len(content))
    damaged = {f"cut{i}": content[: len(content) * i // cuts] for i in range(cuts)}
    for i in range(flips):
        position = chance.randrange(min(len(content), 400) if i % 2 else len(content))
        damaged[f"flip{i}"] = content[:position] + bytes([chance.randrange(256)]) + content[position + 1 :]
    paths = []
    for name, changed in damaged.items():
        paths.append(folder / f"{name}{suffix}")
        paths[-1].write_bytes(changed)
    return paths
