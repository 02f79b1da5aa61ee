"""``precision: auto``: choose how an experiment computes by timing a few steps on this machine."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch

from taskscape import selfcheck
from taskscape.batch import Batch
from taskscape.distributed import of_first_process, world_size
from taskscape.machine import MachineCache, machine
from taskscape.runs.build_step import build_step
from taskscape.runs.experiment import Experiment
from taskscape.training.precision import autocast
from taskscape.training.step import TrainingStep
from taskscape.training.ways import UNCOMPILED, Way, fastest, measure


def with_fastest_way(
    experiment: Experiment, batch: Batch, device: torch.device, report: Callable[[str], None] = lambda text: None
) -> Experiment:
    """Return the experiment with ``precision: auto`` replaced by the fastest way for such a batch on this machine.

    Times are kept by machine, network, tasks and size; ``report`` is called with the result. With ``compile``, the
    network stays compiled only if that was measured to help. With several processes, each must call it; the first
    decides.

    On a CPU, the processor time of this thread is measured: with other work on the machine, a single long wait would
    otherwise decide.
    """
    if experiment.precision != "auto":
        return experiment
    cache = MachineCache("fastest", machine(device))
    ways = candidates(compiled=experiment.compile)
    key = cache_key(experiment, batch)
    times = of_first_process(_read(cache.load().get(key), ways), device)
    if not times:
        seconds = None if world_size() > 1 else 20.0
        clock = time.thread_time if device.type == "cpu" else None
        times = measure({way: _trial(experiment, way, batch) for way in ways}, device, seconds=seconds, clock=clock)
        cache.add({key: {str(way): seconds for way, seconds in times.items()}})
    way = of_first_process(fastest(times), device)
    report(f"precision auto: {way}; {in_words(times)}")
    return with_way(experiment, way)


def candidates(*, compiled: bool) -> tuple[Way, ...]:
    """Return the ways to try; each compiled one takes a minute or two."""
    order = (Way("bf16", True), Way("fp32", True))
    return (*UNCOMPILED, *(way._replace(compile=True) for way in order)) if compiled else UNCOMPILED


def with_way(experiment: Experiment, way: Way) -> Experiment:
    """Return the experiment with the settings of this way."""
    return replace(experiment, precision=way.precision, channels_last=way.channels_last, compile=way.compile)


def way_of(experiment: Experiment) -> Way:
    """Return the way in which an experiment computes; its precision must not be auto."""
    return Way(experiment.number_format, experiment.channels_last, experiment.compile)


def cache_key(experiment: Experiment, batch: Batch) -> str:
    """Return everything except the machine that determines the time of a step, as text."""
    parts = (experiment.network, experiment.tasks, experiment.objective, experiment.weighting, experiment.optimizer)
    shape = "×".join(map(str, batch.image.shape))
    modes = f"compile {experiment.compile}, CUDA graphs {experiment.cuda_graphs}"
    if experiment.recompute_activations:
        modes += ", activations recomputed"
    return "; ".join([f"{shape} on each of {world_size()}", modes, *map(repr, parts)])


def in_words(times: Mapping[Way, float]) -> str:
    """Return the times in one line, fastest first."""
    return ", ".join(f"{way} {seconds:.3g} s" for way, seconds in sorted(times.items(), key=lambda item: item[1]))


def trial_step(experiment: Experiment, way: Way, batch: Batch) -> TrainingStep:
    """Return the training step of an experiment in a way, from random weights, with layers fixed by the self-check."""
    variant = with_way(replace(experiment, network=experiment.network.from_scratch()), way)
    step = build_step(variant, batch.image.device)
    if way.precision != "fp32":
        shape = selfcheck.Shape(len(batch.image), (batch.image.shape[-2], batch.image.shape[-1]))
        selfcheck.verify(step.network, [shape], lambda: autocast(batch.image.device, way.precision))
    return step


def _trial(experiment: Experiment, way: Way, batch: Batch) -> Callable[[], object]:
    step, formatted_batch = trial_step(experiment, way, batch), in_format_of(way, batch)
    return lambda: step(formatted_batch, 0)


def in_format_of(way: Way, batch: Batch) -> Batch:
    """Return a batch with its images in the memory format of a way."""
    return batch._replace(image=batch.image.contiguous(memory_format=way.memory_format))


def _read(entry: object, ways: tuple[Way, ...]) -> dict[Way, float]:
    """Return saved times; empty unless there is one for each way."""
    saved = entry if isinstance(entry, dict) else {}
    times = {way: saved.get(str(way)) for way in ways}
    return times if all(isinstance(time, float) for time in times.values()) else {}  # type: ignore[return-value]
