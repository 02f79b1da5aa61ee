"""Progress of a run, measured by its steps or by its time limit."""

import time

import torch
import torch.distributed as dist

from taskscape.distributed import world_size


class Pace:
    """Measures the time of a run, and the position of its learning-rate schedule in epochs.

    Without ``seconds`` the position depends on the step alone. With ``seconds`` it follows the fraction of that time
    that has passed, or of the steps if that is larger, so the schedule is complete at any speed of the machine. The run
    ends when the time is over, or with its last epoch if that comes first.
    """

    def __init__(self, steps_per_epoch: int, epochs: int, seconds: float | None, device: torch.device) -> None:
        self.steps_per_epoch, self.epochs, self.allowed, self.device = steps_per_epoch, epochs, seconds, device
        self.seconds = 0.0
        """Training time until ``clock``; a resumed run continues from the value in its checkpoint."""
        self.clock = time.monotonic()
        self._share = 0.0

    def start(self) -> None:
        """Start the clock. A resumed run that has used up its time is over."""
        self.clock = time.monotonic()
        if self.allowed is not None and self.seconds >= self.allowed:
            self._share = 1.0

    def read_clock(self) -> None:
        """Add the time since the last reading to ``seconds``."""
        now = time.monotonic()
        self.seconds, self.clock = self.seconds + now - self.clock, now

    def epoch(self, step: int) -> float:
        """Return the position of the schedule before ``step``, in fractional epochs. Every process must call it."""
        by_steps = step / self.steps_per_epoch
        if self.allowed is None:
            return by_steps
        self._share = min(self._share_of_first_process(), 1.0)
        return max(by_steps, self._share * self.epochs)

    def is_over(self) -> bool:
        """Return whether the time was over before the last step; the same on every process."""
        return self._share >= 1.0

    def steps(self, step: int) -> int:
        """Return the number of steps after which the run will end, as estimated after ``step``."""
        max_steps = self.epochs * self.steps_per_epoch
        return max_steps if not step or not self._share else min(max(step, round(step / self._share)), max_steps)

    def _share_of_first_process(self) -> float:
        """Return the fraction of the time that has passed on the first process, since clocks of processes differ."""
        assert self.allowed is not None
        share = (self.seconds + time.monotonic() - self.clock) / self.allowed
        if world_size() == 1:
            return share
        shared = torch.tensor(share, dtype=torch.float64, device=self.device)
        dist.broadcast(shared, 0)
        return float(shared)
