"""Random number generator of the methods that draw random numbers."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from typing_extensions import override


class StepGenerator(nn.Module):
    """Random numbers that depend only on the run's seed and the method's step.

    They are therefore the same on every process and after resuming, regardless of other uses of torch's generators.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed, self.step = seed, 0

    @contextmanager
    def fork(self, device: torch.device) -> Iterator[None]:
        """Seed torch's generators for the draws of one step, restore them afterwards, and count the step."""
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            number = (1_000_003 * self.seed + self.step) % 2**64
            # torch.manual_seed would seed all devices, of which only these two are restored.
            torch.default_generator.manual_seed(number)
            if device.type == "cuda":
                with torch.cuda.device(device):
                    torch.cuda.manual_seed(number)
            yield
        self.step += 1

    @override
    def get_extra_state(self) -> int:
        """Return the step, for the state dict."""
        return self.step

    @override
    def set_extra_state(self, state: int) -> None:
        self.step = state
