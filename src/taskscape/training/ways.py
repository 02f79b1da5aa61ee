"""Ways in which a network can compute a step, and which of them is fastest on this machine."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch

from taskscape.evaluation import seconds_of
from taskscape.training.captured import WARM_UP
from taskscape.training.precision import Precision


class Way(NamedTuple):
    """A way to compute: precision, memory format, and whether the network is compiled."""

    precision: Precision
    channels_last: bool
    compile: bool = False

    @property
    def memory_format(self) -> torch.memory_format:
        """Memory format of images and activations, as torch names it."""
        return torch.channels_last if self.channels_last else torch.contiguous_format

    def __str__(self) -> str:
        order = "channels last" if self.channels_last else "channels first"
        return f"{self.precision}, {order}" + (", compiled" if self.compile else "")


PLAIN = Way("fp32", channels_last=False)
"""The way of an untuned training loop."""

UNCOMPILED = (PLAIN, Way("fp32", channels_last=True), Way("bf16", channels_last=False), Way("bf16", channels_last=True))


def measure(
    steps: Mapping[Way, Callable[[], object]],
    device: torch.device,
    *,
    seconds: float | None = 20.0,
    clock: Callable[[], float] | None = None,
) -> dict[Way, float]:
    """Return the seconds that a step takes in each way: the median over rounds, each of which takes one step per way.

    The first round is not counted, nor, on a GPU, are those before steps are captured. Rounds end after ``seconds``,
    but at least one is counted. With None there are three rounds, since processes that wait for each other need the
    same number. ``clock`` is that of ``evaluation.seconds_of``.
    """
    names = {str(way): way for way in steps}
    calls = {str(way): step for way, step in steps.items()}
    rounds = 3 if seconds is None else 10
    warm_up = 1 if device.type == "cpu" else 1 + WARM_UP
    seconds_by_name = seconds_of(calls, device, rounds=rounds, warm_up=warm_up, at_most=seconds, clock=clock)
    return {names[name]: time for name, time in seconds_by_name.items()}


def fastest(times: Mapping[Way, float]) -> Way:
    """Return the fastest way; a compiled one only if it saves a tenth of the time."""
    return min(times, key=lambda way: times[way] * (1.1 if way.compile else 1.0))
