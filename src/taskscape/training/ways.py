"""The ways in which a network may compute a step, and which of them is fastest on this machine."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch

from taskscape.evaluation import seconds_of
from taskscape.training.captured import WARM_UP
from taskscape.training.precision import Precision


class Way(NamedTuple):
    """How a network computes."""

    precision: Precision
    channels_last: bool
    compile: bool = False

    @property
    def memory_format(self) -> torch.memory_format:
        """Torch's word for the order of images and activations in memory."""
        return torch.channels_last if self.channels_last else torch.contiguous_format

    def __str__(self) -> str:
        order = "channels last" if self.channels_last else "channels first"
        return f"{self.precision}, {order}" + (", compiled" if self.compile else "")


PLAIN = Way("fp32", channels_last=False)
"""What a loop does that nobody has tuned."""

UNCOMPILED = (PLAIN, Way("fp32", channels_last=True), Way("bf16", channels_last=False), Way("bf16", channels_last=True))


def measure(
    steps: Mapping[Way, Callable[[], object]],
    device: torch.device,
    *,
    seconds: float | None = 20.0,
    clock: Callable[[], float] | None = None,
) -> dict[Way, float]:
    """Return how long a step takes in each way, in seconds: the median over rounds in which all take turns.

    The first round does not count, nor on a GPU those before steps are captured; rounds end after ``seconds``, but one
    counts at least. With None there are three rounds, as processes that wait for each other need. ``clock`` is that of
    ``evaluation.seconds_of``.
    """
    names = {str(way): way for way in steps}
    calls = {str(way): step for way, step in steps.items()}
    rounds = 3 if seconds is None else 10
    warm_up = 1 if device.type == "cpu" else 1 + WARM_UP
    found = seconds_of(calls, device, rounds=rounds, warm_up=warm_up, at_most=seconds, clock=clock)
    return {names[name]: time for name, time in found.items()}


def fastest(times: Mapping[Way, float]) -> Way:
    """Return the way that takes the least time; a compiled one only where it saves a tenth."""
    return min(times, key=lambda way: times[way] * (1.1 if way.compile else 1.0))
