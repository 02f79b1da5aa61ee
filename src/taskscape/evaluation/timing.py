"""Comparable measurements of prediction times."""

import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial

import torch


def seconds_of(
    calls: Mapping[str, Callable[[], object]],
    device: torch.device,
    *,
    rounds: int = 10,
    warm_up: int = 2,
    at_most: float | None = None,
    clock: Callable[[], float] | None = None,
) -> dict[str, float]:
    """Return the median time of each call in seconds.

    The calls are interleaved, so other load on the machine affects all of them equally; the first ``warm_up`` rounds do
    not count. After ``at_most`` seconds no further round starts, unless none has counted yet. ``clock`` returns
    seconds, by default ``now``; for a single thread, ``time.process_time`` is less affected by other load on the CPU.
    """
    clock = clock or partial(now, device)
    times: dict[str, list[float]] = {name: [] for name in calls}
    start = time.perf_counter()
    for number in range(warm_up + rounds):
        if at_most is not None and number > warm_up and time.perf_counter() - start > at_most:
            break
        for name, call in calls.items():
            call_start = clock()
            call()
            if number >= warm_up:
                times[name].append(clock() - call_start)
    return {name: statistics.median(measured) for name, measured in times.items()}


def now(device: torch.device) -> float:
    """Return the time in seconds, after waiting for the GPU to finish all pending work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
