"""A short benchmark of an experiment on this machine."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from taskscape.bench.memory import Memory, memory
from taskscape.bench.profile import Profile, profiled
from taskscape.bench.roof import roof
from taskscape.devices import find_device
from taskscape.machine import processor
from taskscape.progress import ProgressCallback
from taskscape.runs import Experiment, environment
from taskscape.runs.fastest import candidates, in_format_of, trial_step, way_of, with_way
from taskscape.training.ways import PLAIN, Way, fastest, measure


@dataclass(frozen=True)
class Bench:
    """The measurements of a benchmark."""

    experiment: Experiment
    """The experiment, with the settings of the chosen way."""
    environment: dict[str, str]
    images: int
    """Number of images of a batch."""
    size: tuple[int, int]
    """Height and width of an image."""
    times: dict[Way, float]
    """Seconds of a step in each way, measured interleaved."""
    way: Way
    """The way of the experiment; the fastest if its precision is auto."""
    profile: Profile
    """Profile of the step in that way."""
    roof: float
    """Seconds of the network's convolutions and linear layers alone: no step can take less."""
    loading: float
    """Seconds to read and augment a batch; on a GPU this overlaps with the network's computation."""
    memory: Memory | None
    """None if it was not requested."""

    @property
    def seconds(self) -> float:
        """Seconds of a step in the chosen way."""
        return self.times[self.way]

    @property
    def share_of_roof(self) -> float:
        """The fraction of a step that the convolutions and linear layers need, in 0..1."""
        return self.roof / self.seconds

    @property
    def against_plain(self) -> float:
        """Speedup over an untuned loop: fp32, channels first, not compiled."""
        return self.times[PLAIN] / self.seconds


def bench(
    experiment: Experiment,
    *,
    compiled: bool = False,
    with_memory: bool = True,
    seconds: float = 20.0,
    say: Callable[[str], None] = lambda text: None,
    report: ProgressCallback = lambda done, of: None,
) -> Bench:
    """Measure training steps of an experiment on a batch of its data, from random weights; no weights are kept.

    With ``compiled``, compiled steps are measured too, which takes minutes; ``seconds`` is the time for which steps are
    timed; ``say`` is called with the name of the next phase, and ``report`` with the progress. If data would have to be
    generated first, only a few images are generated. Raises ``ValueError`` as ``Experiment.check`` does.
    """
    experiment.check()
    device = find_device(experiment.device)
    conditions = environment(device) | {"processor": processor()}
    if hasattr(os, "getloadavg"):  # of other programs: later it would include the benchmark's own threads
        conditions["load"] = f"{os.getloadavg()[0]:.1f}"
    say("preparing a batch")
    store = experiment.data.few(experiment.batch_size).open()["train"]
    experiment = experiment.for_data(store)
    loader = experiment.loader(store, device, training=True)
    started = time.perf_counter()
    batch = next(loader.epoch(0))
    batch = next(loader.epoch(1))
    loading = (time.perf_counter() - started) / 2
    say("timing steps")
    experiment_way = Way("bf16", True) if experiment.precision == "auto" else way_of(experiment)
    ways = tuple(dict.fromkeys((*candidates(compiled=compiled or experiment_way.compile), experiment_way)))
    steps = {way: (trial_step(experiment, way, batch), in_format_of(way, batch)) for way in ways}
    times = measure(
        {way: partial(step, formatted_batch, 0) for way, (step, formatted_batch) in steps.items()},
        device,
        seconds=seconds,
    )
    way = fastest(times) if experiment.precision == "auto" else experiment_way
    step, chosen_batch = steps.pop(way)
    steps.clear()
    say("profiling steps")
    step.captured = None  # a CUDA graph cannot be profiled by parts
    profile = profiled(step, chosen_batch)
    say("timing convolutions alone")
    roof_seconds = roof(step.network, chosen_batch.image, report)
    if with_memory:
        say("measuring memory")
    memory_use = memory(experiment, way, batch) if with_memory else None
    height, width = batch.image.shape[-2:]
    return Bench(
        with_way(experiment, way),
        conditions,
        len(batch.image),
        (height, width),
        times,
        way,
        profile,
        roof_seconds,
        loading,
        memory_use,
    )
