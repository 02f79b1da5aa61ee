"""Handling of Ctrl-C, SIGTERM and SIGHUP: a run stops between two steps, so saved files are complete."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import torch

from taskscape.distributed import all_reduce_sum, world_size
from taskscape.errors import Interrupted, stopping_signals


class Interrupts:
    """Turns Ctrl-C and the signals of schedulers and closed terminals into a request to stop between two steps."""

    def __init__(self) -> None:
        self.signal: int | None = None
        """The signal that asked this process to stop; None if there was none."""

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Handle the signals in this context: the first requests a stop, a second Ctrl-C interrupts at once."""
        if threading.current_thread() is not threading.main_thread():
            yield  # Python handles signals in the main thread only
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
        """Return the error that ends the run; ``where`` says how far the run got."""
        cause = "" if self.signal in (None, signal.SIGINT) else f" by {signal.Signals(self.signal).name}"
        return Interrupted(f"stopped{cause} {where}", self.signal or signal.SIGINT)

    def _request(self, signum: int, frame: FrameType | None) -> None:
        # After a Ctrl-C that reached all processes, a launcher also sends SIGTERM. Only a second Ctrl-C is urgent.
        if signum == signal.SIGINT == self.signal:
            raise KeyboardInterrupt
        if self.signal is None or signum == signal.SIGINT:
            self.signal = signum
