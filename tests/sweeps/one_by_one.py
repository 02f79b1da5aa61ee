"""An executor for tests that processes one run at a time."""

from collections.abc import Sequence
from pathlib import Path

from typing_extensions import override

from taskscape.sweeps import Executor


class OneByOne(Executor):
    """Trains nothing: each run is finished when it is polled."""

    workers = 1

    def __init__(self) -> None:
        self.waiting: list[Path] = []

    @override
    def start(self, path: Path) -> None:
        self.waiting.append(path)

    @override
    def ended(self) -> Sequence[tuple[Path, str]]:
        return [(self.waiting.pop(0), "")]

    @override
    def stop(self, path: Path) -> None:
        raise AssertionError("it has ended")

    @override
    def close(self) -> None:
        self.waiting.clear()
