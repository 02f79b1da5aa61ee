"""``--scale small``: a published experiment as far as two cores bring it in minutes."""

from dataclasses import replace

from taskscape.data import Augmentation, DataSource, Packed, Streets
from taskscape.data.sources import Part
from taskscape.models import EncoderConfig, NetworkConfig
from taskscape.runs import Experiment
from taskscape.training.optimization import Schedule, Step

TRAIN, VAL, EPOCHS, BATCH = 240, 60, 6, 8
"""Images to train and validate on, epochs, and images a step, of a small experiment at most."""


def small(experiment: Experiment, epochs: int = EPOCHS) -> Experiment:
    """Return an experiment with half the size, fewer images, epochs and images a step, and random initial weights.

    What counts epochs, such as the steps of a schedule, shrinks in proportion. A few epochs of many images become
    ``epochs`` of few. Learning rate, losses and network stay. ``note`` says what was changed.
    """
    batch = min(experiment.batch_size, BATCH)
    share = epochs / experiment.epochs
    network, of_network = _network(experiment.network)
    counts = {"epochs": (experiment.epochs, epochs), "images a step": (experiment.batch_size, batch)}
    of_counts = [f"{new} {what} instead of {old}" for what, (old, new) in counts.items() if new != old]
    changes = [f"half the size, at most {TRAIN} images to train and {VAL} to validate on", *of_counts, *of_network]
    return replace(
        experiment,
        data=_streets(small_store(experiment.data)),
        network=network,
        epochs=epochs,
        batch_size=batch,
        schedule=_schedule(experiment.schedule, share),
        average_last=experiment.average_last and max(1, round(experiment.average_last * share)),
        augmentation=_augmentation(experiment.augmentation),
        note=f"scale small: {', '.join(changes)}; figures are not those of the paper",
    )


def small_store(data: DataSource) -> DataSource:
    """Return a part of a store at half its size; other data are as they were."""
    return Part(data.path, TRAIN, VAL) if isinstance(data, Packed) else data


def _streets(data: DataSource) -> DataSource:
    if not isinstance(data, Streets):
        return data
    (height, width), train, val = data.size, min(data.train, TRAIN), min(data.val, VAL)
    return replace(data, size=(height // 2, width // 2), train=train, val=val, test=0, shifted=0)


def _network(network: NetworkConfig) -> tuple[NetworkConfig, list[str]]:
    if isinstance(network, EncoderConfig) and network.pretrained is True:  # and not weights of a file
        return network.from_scratch(), ["random initial weights"]
    return network, []


def _schedule(schedule: Schedule, share: float) -> Schedule:
    """Return a schedule whose settings in epochs are a share of what they were."""
    if isinstance(schedule, Step):
        schedule = replace(schedule, step_size=max(1, round(schedule.step_size * share)))
    return replace(schedule, warmup=schedule.warmup * share)


def _augmentation(augmentation: Augmentation) -> Augmentation:
    if augmentation.crop is None:
        return augmentation
    height, width = augmentation.crop
    return replace(augmentation, crop=(height // 2, width // 2))
