"""The demo: streets, a small network, its evaluation and report, within the minutes that it is given."""

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
from taskscape.training.loop import Trainer

PRETRAINED = "tf_efficientnet_lite0"
"""The encoder of ``demo_pretrained``."""
MOST_STREETS = 1600
"""Where more would not help much."""
FEWEST_STREETS = 20
LOOKS_PER_STREET = 10
"""How often each street is trained on. To render one takes about as long as to train on it once."""
MOST_EPOCHS = 60
"""Where more time would not help much: a GPU is done in less than it is given."""
IMAGES_PER_VALIDATION = 9600
"""How many images are trained on between two validations, which take as long as a hundred or two of them."""
MOST_VALIDATED, FEWEST_VALIDATED = 200, 20
"""Streets to validate on: all but where there is very little time."""
IMAGES_PER_VALIDATED = 20
"""On how many images there is time to train for each of them."""
END, END_PER_VALIDATED = 140, 1.5
"""What report and evaluation take at the end, in images of training."""
TRIAL_SECONDS = 2.0
"""How long each number of threads is tried."""
WORTHWHILE = 1.15
"""How much faster more threads must be: what they wait for each other costs others time."""


@dataclass(frozen=True)
class Speed:
    """How fast this machine trains, beside whatever else it does."""

    threads: int
    """The number of threads with which it is fastest."""
    steps: float
    """Steps a second."""


def demo(run: Path, minutes: float, started: float | None = None) -> Result:
    """Train ``recipe()``, evaluate it and return the result, all within about ``minutes``.

    They count from ``started``, by default now (``time.monotonic()``). The speed of a few steps sets the number of
    streets and of threads; after the streets are made, training has the time that is left.
    """
    started = time.monotonic() if started is None else started
    speed = measure(recipe())
    torch.set_num_threads(speed.threads)

    def left() -> float:
        return 60 * minutes - (time.monotonic() - started)

    experiment = fitted(recipe(), speed, left())
    print(in_words(experiment, speed, left(), minutes), file=sys.stderr)
    runs.open_data(experiment, launch(experiment.device))
    return runs.train(replace(experiment, minutes=max(left() - end(experiment, speed), 1.0) / 60), run)


def photograph(run: Path) -> Path:
    """Predict the photograph that comes with taskscape with the network of a run, and return the picture of both.

    The report shows it.
    """
    picture = RunFolder(run).photograph
    load(run).predict(PHOTOGRAPH).save(picture.parent)
    return picture


def recipe() -> Experiment:
    """Return the recipe ``demo_pretrained`` where its weights are installed, else ``demo``."""
    return recipes.demo() if packaged_weights(PRETRAINED) is None else recipes.demo_pretrained()


def measure(experiment: Experiment) -> Speed:
    """Measure how fast this machine trains the experiment, and with how many threads it is fastest."""
    streets = experiment.data
    assert isinstance(streets, Streets)
    fabric = launch(experiment.device)
    few = replace(streets, train=2 * experiment.batch_size, val=2)
    stores = runs.open_data(replace(experiment, data=few), fabric)
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
    """Return the numbers of threads to try: powers of two, and all."""
    return sorted({2**power for power in range(most.bit_length()) if 2**power <= most} | {most})


def _steps_per_second(trainer: Trainer) -> float:
    batches = list(trainer.train_data.epoch(0))
    started = time.perf_counter()
    trainer.training_step(batches[0], 0)
    seconds = time.perf_counter() - started
    if seconds > TRIAL_SECONDS:
        return 1 / seconds
    steps, started = 0, time.perf_counter()  # what a first step alone costs does not count, unless all are so slow
    while (seconds := time.perf_counter() - started) < TRIAL_SECONDS:
        trainer.training_step(batches[steps % len(batches)], steps)
        steps += 1
    return steps / seconds


def fitted(experiment: Experiment, speed: Speed, seconds: float) -> Experiment:
    """Return the experiment with as many streets as can be made and trained on several times in these seconds.

    They are for everything that is still to be done, evaluation and report too.
    """
    rate = speed.steps * experiment.batch_size
    val = _within(10 * round(seconds * rate / IMAGES_PER_VALIDATED / 10), FEWEST_VALIDATED, MOST_VALIDATED)
    experiment = _with_streets(experiment, FEWEST_STREETS, val)
    count = (seconds - end(experiment, speed)) * rate / LOOKS_PER_STREET
    tens = 100 if count >= 100 else 20  # round numbers, so that a second demo finds them made
    count = _within(tens * round(count / tens), FEWEST_STREETS, MOST_STREETS)
    return replace(
        _with_streets(experiment, count, val),
        epochs=MOST_EPOCHS,
        validate_every=math.ceil(IMAGES_PER_VALIDATION / count),
    )


def end(experiment: Experiment, speed: Speed) -> float:
    """Return how many seconds evaluation and report take."""
    return (END + END_PER_VALIDATED * _streets(experiment).val) / (speed.steps * experiment.batch_size)


def in_words(experiment: Experiment, speed: Speed, seconds: float, minutes: float) -> str:
    """Return what was decided, in one line; ``seconds`` are for all that is still to be done."""
    streets = _streets(experiment)
    images_per_second = speed.steps * experiment.batch_size
    training = seconds - end(experiment, speed) - (streets.train + streets.val) / images_per_second
    epochs = min(max(training * images_per_second / streets.train, 1), MOST_EPOCHS)
    threads = f"{speed.threads} thread" + "s" * (speed.threads > 1)
    text = f"this machine does {speed.steps:.1f} steps a second with {threads}: {streets.train} streets, "
    if training < 1:
        needed = minutes + (1 - training) / 60
        return f"{text}hardly any training, in about {needed:.1f} minutes; --minutes {10 * minutes:g} is better"
    return f"{text}about {epochs:.0f} epochs in {training / 60:.1f} minutes; --minutes {4 * minutes:.0f} gives more"


def _streets(experiment: Experiment) -> Streets:
    assert isinstance(experiment.data, Streets)
    return experiment.data


def _with_streets(experiment: Experiment, train: int, val: int) -> Experiment:
    return replace(experiment, data=replace(_streets(experiment), train=train, val=val))


def _within(count: float, least: int, most: int) -> int:
    return round(min(max(count, least), most))
