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
FEWEST_STREETS = 100
LOOKS_PER_STREET = 10
"""How often each street is trained on. To render one takes about as long as to train on it once."""
MOST_EPOCHS = 60
"""Where more time would not help much: a GPU is done in less than it is given."""
IMAGES_PER_VALIDATION = 6000
"""How many images are trained on between two validations, which take as long as 120 of them."""
END = 320
"""What evaluation and report take at the end, in images of training."""
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
    experiment = recipe()
    speed = measure(experiment)
    torch.set_num_threads(speed.threads)
    end = END / (speed.steps * experiment.batch_size)

    def left() -> float:
        return max(60 * minutes - (time.monotonic() - started) - end, 1.0)

    experiment = fitted(experiment, speed, left())
    print(in_words(experiment, speed, left(), minutes), file=sys.stderr)
    runs.open_data(experiment, launch(experiment.device))
    return runs.train(replace(experiment, minutes=left() / 60), run)


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
    """Return the experiment with as many streets as can be made and trained on several times in these seconds."""
    streets = experiment.data
    assert isinstance(streets, Streets)
    images = seconds * speed.steps * experiment.batch_size
    count = round(images / LOOKS_PER_STREET / 100) * 100  # in hundreds, so that a second demo finds them made
    count = min(max(count, FEWEST_STREETS), MOST_STREETS)
    validate_every = math.ceil(IMAGES_PER_VALIDATION / count)
    return replace(experiment, data=replace(streets, train=count), epochs=MOST_EPOCHS, validate_every=validate_every)


def in_words(experiment: Experiment, speed: Speed, seconds: float, minutes: float) -> str:
    """Return what was decided, in one line; ``seconds`` are for rendering and training."""
    streets = experiment.data
    assert isinstance(streets, Streets)
    images_per_second = speed.steps * experiment.batch_size
    training = max(seconds - streets.train / images_per_second, 0.0)
    epochs = min(max(training * images_per_second / streets.train, 1), MOST_EPOCHS)
    threads = f"{speed.threads} thread" + "s" * (speed.threads > 1)
    return (
        f"this machine does {speed.steps:.1f} steps a second with {threads}: {streets.train} streets, about "
        f"{epochs:.0f} epochs in {training / 60:.1f} minutes; --minutes {4 * minutes:.0f} gives more"
    )
