"""``--scale small``: a published experiment as far as two cores bring it in minutes."""

from dataclasses import fields, replace
from typing import Any

from taskscape.data import Augmentation, DataSource, Streets
from taskscape.models import NetworkConfig
from taskscape.runs import Experiment
from taskscape.training.optimization import Schedule

TRAIN, VAL, EPOCHS = 240, 60, 6
"""Most images and epochs of a small experiment."""


def small(experiment: Experiment) -> Experiment:
    """Return an experiment with half the size, fewer images and epochs, and random initial weights.

    What counts epochs, such as the steps of a schedule, shrinks in proportion; batch size, learning rate, losses and
    network stay. ``note`` says what was changed. Data of a store stay as they are: their size and number are the
    store's.
    """
    epochs = min(experiment.epochs, EPOCHS)
    share = epochs / experiment.epochs
    data, of_data = _data(experiment.data)
    network, of_network = _network(experiment.network)
    changes = [*of_data, f"{epochs} epochs instead of {experiment.epochs}", *of_network]
    halved = isinstance(experiment.data, Streets)
    return replace(
        experiment,
        data=data,
        network=network,
        epochs=epochs,
        schedule=_schedule(experiment.schedule, share),
        augmentation=_augmentation(experiment.augmentation) if halved else experiment.augmentation,
        note=f"scale small: {', '.join(changes)}; figures are not those of the paper",
    )


def _data(data: DataSource) -> tuple[DataSource, list[str]]:
    if not isinstance(data, Streets):
        return data, []
    (height, width), counts = data.size, (min(data.train, TRAIN), min(data.val, VAL))
    size = (max(32, height // 2), max(32, width // 2))
    made = replace(data, size=size, train=counts[0], val=counts[1], test=0, shifted=0)
    return made, [
        f"images of {size[0]}x{size[1]} instead of {height}x{width}",
        f"{counts[0]} to train and {counts[1]} to validate on instead of {data.train} and {data.val}",
    ]


def _network(network: NetworkConfig) -> tuple[NetworkConfig, list[str]]:
    pretrained = getattr(network, "pretrained", False) is True
    return (network.from_scratch(), ["random initial weights"]) if pretrained else (network, [])


def _schedule(schedule: Schedule, share: float) -> Schedule:
    """Return a schedule whose settings in epochs are a share of what they were."""
    changed: dict[str, Any] = {"warmup": schedule.warmup * share}
    if any(field.name == "step_size" for field in fields(schedule)):
        changed["step_size"] = max(1, round(schedule.step_size * share))  # type: ignore[attr-defined]
    return replace(schedule, **changed)


def _augmentation(augmentation: Augmentation) -> Augmentation:
    if augmentation.crop is None:
        return augmentation
    height, width = augmentation.crop
    return replace(augmentation, crop=(height // 2, width // 2))
