"""The demo: streets, a small network, its evaluation and report, within a few minutes on any machine."""

import time
from dataclasses import replace
from pathlib import Path

from taskscape import recipes, runs
from taskscape.data import Streets
from taskscape.distributed import launch
from taskscape.run_folder import Result, RunFolder
from taskscape.runs import Experiment

MOST_EPOCHS = 30
"""Where more time would not help much: a GPU is done in less than it is given."""

VALIDATION_AND_LOGS = 0.88
"""The share of an epoch's time that goes into steps of training."""

TRIAL_SECONDS = 8.0
"""How long the speed of this machine is measured."""


def demo(run: Path, minutes: float = 4.5) -> Result:
    """Train the recipe ``demo`` for about ``minutes``, evaluate it and return the result.

    The speed of the first steps sets the number of epochs; on a machine too slow for one, the number of streets too.
    """
    experiment = recipes.demo()
    rate = VALIDATION_AND_LOGS * images_per_second(experiment)
    return runs.train(fitted(experiment, rate * 60 * minutes), run)


def fitted(experiment: Experiment, images: float) -> Experiment:
    """Return the experiment with as many epochs as this number of training images makes, and fewer streets if none."""
    streets = experiment.data
    assert isinstance(streets, Streets)
    epochs = min(int(images / streets.train), MOST_EPOCHS)
    if epochs == 0:
        fewest = 2 * experiment.batch_size
        return replace(experiment, epochs=1, data=replace(streets, train=max(int(images), fewest)))
    return replace(experiment, epochs=epochs)


def images_per_second(experiment: Experiment) -> float:
    """Measure how many images a second this machine trains on."""
    streets = experiment.data
    assert isinstance(streets, Streets)
    fabric = launch(experiment.device)
    few = replace(streets, train=4 * experiment.batch_size, val=2 * experiment.batch_size)
    stores = runs.open_data(replace(experiment, data=few), fabric)
    trainer = runs.assemble(experiment.for_data(stores["train"]), stores, fabric, RunFolder(Path()))
    batches = list(trainer.train_data.epoch(0))
    trainer.training_step(batches[0], 0)  # what the first step alone costs does not count
    steps, started = 0, time.perf_counter()
    while time.perf_counter() - started < TRIAL_SECONDS:
        trainer.training_step(batches[steps % len(batches)], steps)
        steps += 1
    images = steps * experiment.batch_size
    return images / (time.perf_counter() - started)
