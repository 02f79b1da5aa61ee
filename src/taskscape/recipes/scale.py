"""``--scale small``: a published experiment, reduced to minutes of training on two CPU cores."""

from dataclasses import replace

from taskscape.data import Augmentation, DataSource, Packed, Streets
from taskscape.data.sources import Part
from taskscape.models import EncoderConfig, NetworkConfig
from taskscape.runs import Experiment
from taskscape.training.optimization import Schedule, Step

TRAIN, VAL, EPOCHS, BATCH = 240, 60, 6, 8
"""Upper limits of a small experiment: training images, validation images, epochs and images per step."""


def small(experiment: Experiment, epochs: int = EPOCHS) -> Experiment:
    """Return an experiment at half the image size, with fewer images, epochs and images per step, and random weights.

    Settings in epochs, such as the steps of a schedule, shrink in proportion. A few epochs of many images become
    ``epochs`` of few. Learning rate, losses and network stay the same. ``note`` lists the changes.
    """
    batch = min(experiment.batch_size, BATCH)
    share = epochs / experiment.epochs
    network, network_changes = _network(experiment.network)
    counts = {"epochs": (experiment.epochs, epochs), "images per step": (experiment.batch_size, batch)}
    count_changes = [f"{new} {quantity} instead of {old}" for quantity, (old, new) in counts.items() if new != old]
    changes = [
        f"half the size, at most {TRAIN} images to train on and {VAL} to validate on",
        *count_changes,
        *network_changes,
    ]
    return replace(
        experiment,
        data=_streets(small_store(experiment.data)),
        network=network,
        epochs=epochs,
        batch_size=batch,
        schedule=_schedule(experiment.schedule, share),
        average_last=experiment.average_last and max(1, round(experiment.average_last * share)),
        augmentation=_augmentation(experiment.augmentation),
        note=f"scale small: {', '.join(changes)}; results are not comparable with the paper's",
    )


def small_store(data: DataSource) -> DataSource:
    """Return a part of a packed store at half its image size; other data unchanged."""
    return Part(data.path, TRAIN, VAL) if isinstance(data, Packed) else data


def _streets(data: DataSource) -> DataSource:
    if not isinstance(data, Streets):
        return data
    (height, width), train, val = data.size, min(data.train, TRAIN), min(data.val, VAL)
    return replace(data, size=(height // 2, width // 2), train=train, val=val, test=0, shifted=0)


def _network(network: NetworkConfig) -> tuple[NetworkConfig, list[str]]:
    if isinstance(network, EncoderConfig) and network.pretrained is True:  # rather than a path to weights
        return network.from_scratch(), ["random initial weights"]
    return network, []


def _schedule(schedule: Schedule, share: float) -> Schedule:
    """Return the schedule with its settings in epochs multiplied by ``share``."""
    if isinstance(schedule, Step):
        schedule = replace(schedule, step_size=max(1, round(schedule.step_size * share)))
    return replace(schedule, warmup=schedule.warmup * share)


def _augmentation(augmentation: Augmentation) -> Augmentation:
    if augmentation.crop is None:
        return augmentation
    height, width = augmentation.crop
    return replace(augmentation, crop=(height // 2, width // 2))
