"""Ctrl-C, SIGTERM and SIGHUP between two steps, so that what is saved is whole."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import torch

from taskscape.distributed import all_reduce_sum, world_size
from taskscape.errors import Interrupted, stopping_signals


class Interrupts:
    """Turns Ctrl-C, and the signals of schedulers and closed terminals, into a request to stop between two steps."""

    def __init__(self) -> None:
        self.signal: int | None = None
        """What asked this process to stop."""

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Handle the signals in this context: the first is a request, a second Ctrl-C interrupts at once."""
        if threading.current_thread() is not threading.main_thread():
            yield  # Python lets no other thread handle signals
            return
        previous = {number: signal.signal(number, self._request) for number in stopping_signals()}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def requested_anywhere(self, device: torch.device) -> bool:
        """Return whether any process was asked to stop. Every process must call it, after the same step."""
        if world_size() == 1:
            return self.signal is not None
        return all_reduce_sum(torch.tensor(float(self.signal is not None), device=device)).item() > 0

    def stopped(self, where: str) -> Interrupted:
        """Return the error that ends the run; ``where`` says how far it came."""
        by = "" if self.signal in (None, signal.SIGINT) else f" by {signal.Signals(self.signal).name}"
        return Interrupted(f"stopped{by} {where}", self.signal or signal.SIGINT)

    def _request(self, signum: int, frame: FrameType | None) -> None:
        # A launcher sends SIGTERM after a Ctrl-C that reached all processes; only who presses it again is in a hurry.
        if signum == signal.SIGINT == self.signal:
            raise KeyboardInterrupt
        if self.signal is None or signum == signal.SIGINT:
            self.signal = signum
