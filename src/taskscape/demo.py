"""The demo: render streets, train and evaluate a small network, and write a report within a given time."""

import math
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from taskscape import recipes, runs
from taskscape.data import Streets
from taskscape.distributed import launch
from taskscape.inference import load
from taskscape.models.layers.hub import packaged_weights
from taskscape.parallel import chosen_threads, cores
from taskscape.released import PHOTOGRAPH
from taskscape.run_folder import Result, RunFolder
from taskscape.runs import Experiment
from taskscape.serialization import counted
from taskscape.training.loop import Trainer

PRETRAINED = "tf_efficientnet_lite0"
"""The encoder of ``demo_pretrained``."""
MOST_STREETS = 1600
"""Largest number of training streets; more would hardly improve the result."""
FEWEST_STREETS = 20
LOOKS_PER_STREET = 10
"""How often each street is trained on. Rendering a street takes about as long as training on it once."""
MOST_EPOCHS = 60
"""Largest number of epochs; more would hardly improve the result, so a GPU finishes early."""
IMAGES_PER_VALIDATION = 9600
"""Training images between two validations. A validation takes as long as training on 100 to 200 images."""
MOST_VALIDATED, FEWEST_VALIDATED = 200, 20
"""Bounds of the number of validation streets; it is below the upper one only if there is very little time."""
IMAGES_PER_VALIDATED = 20
"""Training images that the available time must allow for each validation street."""
END, END_PER_VALIDATED = 140, 1.5
"""Duration of the final report and evaluation, in training images: a constant, and per validation street."""
TRIAL_SECONDS = 2.0
"""How long each number of threads is tried."""
WORTHWHILE = 1.15
"""Minimum speedup to use more threads. Threads that wait for each other take CPU time from other processes."""


@dataclass(frozen=True)
class Speed:
    """Training speed of this machine under its present load."""

    threads: int
    """The fastest number of threads."""
    steps: float
    """Training steps per second."""


def demo(run: Path, minutes: float, started: float | None = None) -> Result:
    """Train ``recipe()``, evaluate it and return the result, all within about ``minutes``.

    The time counts from ``started``, a value of ``time.monotonic()`` that defaults to now. The speed of a few steps
    determines the numbers of streets and threads; training gets the time left after the streets are rendered.
    """
    started = time.monotonic() if started is None else started
    speed = measure(recipe())
    torch.set_num_threads(speed.threads)

    def seconds_left() -> float:
        return 60 * minutes - (time.monotonic() - started)

    experiment = fitted(recipe(), speed, seconds_left())
    print(in_words(experiment, speed, seconds_left(), minutes), file=sys.stderr)
    runs.open_data(experiment, launch(experiment.device))
    training_seconds = max(seconds_left() - end(experiment, speed), 1.0)
    return runs.train(replace(experiment, minutes=round(training_seconds / 60, 3)), run)


def photograph(run: Path) -> Path:
    """Run a run's network on the photograph that comes with taskscape, and return the path of the resulting picture.

    The picture shows the photograph and the predictions; the report includes it.
    """
    picture = RunFolder(run).photograph
    load(run).predict(PHOTOGRAPH).save(picture.parent)
    return picture


def recipe() -> Experiment:
    """Return the recipe ``demo_pretrained`` if its weights are installed, otherwise ``demo``."""
    return recipes.demo() if packaged_weights(PRETRAINED) is None else recipes.demo_pretrained()


def measure(experiment: Experiment) -> Speed:
    """Measure how fast this machine trains the experiment, and find the fastest number of threads."""
    fabric = launch(experiment.device)
    stores = runs.open_data(_with_streets(experiment, 2 * experiment.batch_size, 2), fabric)
    trainer = runs.assemble(experiment.for_data(stores["train"]), stores, fabric, RunFolder(Path()))
    if fabric.device.type != "cpu" or chosen_threads() is not None:
        return Speed(torch.get_num_threads(), _steps_per_second(trainer))
    best = Speed(1, 0.0)
    for threads in candidates(cores()):
        torch.set_num_threads(threads)
        speed = Speed(threads, _steps_per_second(trainer))
        if speed.steps < WORTHWHILE * best.steps:
            break
        best = speed
    return best


def candidates(most: int) -> list[int]:
    """Return the numbers of threads to try: the powers of two up to ``most``, and ``most`` itself."""
    return sorted({2**power for power in range(most.bit_length()) if 2**power <= most} | {most})


def _steps_per_second(trainer: Trainer) -> float:
    batches = list(trainer.train_data.epoch(0))
    started = time.perf_counter()
    trainer.training_step(batches[0], 0)
    seconds = time.perf_counter() - started
    if seconds > TRIAL_SECONDS:
        return 1 / seconds
    steps, started = 0, time.perf_counter()  # leave out the one-time cost of the first step
    while (seconds := time.perf_counter() - started) < TRIAL_SECONDS:
        trainer.training_step(batches[steps % len(batches)], steps)
        steps += 1
    return steps / seconds


def fitted(experiment: Experiment, speed: Speed, seconds: float) -> Experiment:
    """Return the experiment with as many streets as can be rendered and trained on several times within ``seconds``.

    The time covers everything still to be done, including evaluation and report.
    """
    rate = speed.steps * experiment.batch_size
    val = _clamp(10 * round(seconds * rate / IMAGES_PER_VALIDATED / 10), FEWEST_VALIDATED, MOST_VALIDATED)
    experiment = _with_streets(experiment, FEWEST_STREETS, val)
    count = (seconds - end(experiment, speed)) * rate / LOOKS_PER_STREET
    multiple = 100 if count >= 100 else 20  # with round numbers, a second demo can reuse the streets of the first
    count = _clamp(multiple * round(count / multiple), FEWEST_STREETS, MOST_STREETS)
    return replace(
        _with_streets(experiment, count, val),
        epochs=MOST_EPOCHS,
        validate_every=math.ceil(IMAGES_PER_VALIDATION / count),
    )


def end(experiment: Experiment, speed: Speed) -> float:
    """Return how many seconds evaluation and report take."""
    return (END + END_PER_VALIDATED * _streets(experiment).val) / (speed.steps * experiment.batch_size)


def in_words(experiment: Experiment, speed: Speed, seconds: float, minutes: float) -> str:
    """Return a one-line summary of the plan; ``seconds`` is the time left for everything still to be done."""
    streets = _streets(experiment)
    images_per_second = speed.steps * experiment.batch_size
    training = seconds - end(experiment, speed) - (streets.train + streets.val) / images_per_second
    epochs = min(max(training * images_per_second / streets.train, 1), MOST_EPOCHS)
    threads = counted(speed.threads, "thread", "threads")
    text = f"this machine does {speed.steps:.1f} steps per second with {threads}: {streets.train} streets, "
    if training < 1:
        needed = minutes + (1 - training) / 60
        return f"{text}hardly any training, in about {needed:.1f} minutes; --minutes {10 * minutes:g} is better"
    return f"{text}about {epochs:.0f} epochs in {training / 60:.1f} minutes; --minutes {4 * minutes:g} gives more"


def _streets(experiment: Experiment) -> Streets:
    assert isinstance(experiment.data, Streets)
    return experiment.data


def _with_streets(experiment: Experiment, train: int, val: int) -> Experiment:
    return replace(experiment, data=replace(_streets(experiment), train=train, val=val))


def _clamp(count: float, least: int, most: int) -> int:
    return round(min(max(count, least), most))
