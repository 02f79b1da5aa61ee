"""How far a run is: by its steps, or by the time that it may take."""

import time

import torch
import torch.distributed as dist

from taskscape.distributed import world_size


class Pace:
    """Counts the time of a run, and says where in its epochs the learning-rate schedule is.

    Without ``seconds`` that is a function of the step alone. With ``seconds`` the schedule goes by the part of them
    that has passed, whatever the speed of the machine becomes, and the run ends with them; or with its last epoch, if
    that comes before.
    """

    def __init__(self, steps_per_epoch: int, epochs: int, seconds: float | None, device: torch.device) -> None:
        self.steps_per_epoch, self.epochs, self.allowed, self.device = steps_per_epoch, epochs, seconds, device
        self.seconds = 0.0
        """Time that training took, until ``clock``; a resumed run continues with what its checkpoint says."""
        self.clock = time.monotonic()
        self._share = 0.0

    def start(self) -> None:
        """Let the time pass from now on. A run that is resumed after its end is over."""
        self.clock = time.monotonic()
        if self.allowed is not None and self.seconds >= self.allowed:
            self._share = 1.0

    def read_clock(self) -> None:
        """Add the time that has passed to ``seconds``."""
        now = time.monotonic()
        self.seconds, self.clock = self.seconds + now - self.clock, now

    def epoch(self, step: int) -> float:
        """Return where the schedule is before ``step``, in epochs with fractions. Every process must call it."""
        by_steps = step / self.steps_per_epoch
        if self.allowed is None:
            return by_steps
        self._share = min(self._share_of_first_process(), 1.0)
        return max(by_steps, self._share * self.epochs)

    def is_over(self) -> bool:
        """Return whether the time was over before the last step. The same on every process."""
        return self._share >= 1.0

    def steps(self, step: int) -> int:
        """Return after how many steps the run will end, as it seems after ``step``."""
        most = self.epochs * self.steps_per_epoch
        return most if not step or not self._share else min(max(step, round(step / self._share)), most)

    def _share_of_first_process(self) -> float:
        """Return the part of the time that has passed. The clocks of several processes differ."""
        assert self.allowed is not None
        share = (self.seconds + time.monotonic() - self.clock) / self.allowed
        if world_size() == 1:
            return share
        shared = torch.tensor(share, dtype=torch.float64, device=self.device)
        dist.broadcast(shared, 0)
        return float(shared)
