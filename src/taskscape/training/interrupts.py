"""Ctrl-C between two steps, so that what is saved is whole."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import torch

from taskscape.distributed import all_reduce_sum, world_size


class Interrupts:
    """Turns Ctrl-C into a request to stop, which the training loop asks for between two steps."""

    def __init__(self) -> None:
        self.requested = False
        """Whether the user of this process asked to stop."""

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Handle Ctrl-C in this context: the first is a request, a second one interrupts at once."""
        if threading.current_thread() is not threading.main_thread():
            yield  # Python lets no other thread handle signals
            return
        previous = signal.signal(signal.SIGINT, self._request)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, previous)

    def requested_anywhere(self, device: torch.device) -> bool:
        """Return whether any process was asked to stop. Every process must call it, after the same step."""
        if world_size() == 1:
            return self.requested
        return all_reduce_sum(torch.tensor(float(self.requested), device=device)).item() > 0

    def _request(self, signum: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
