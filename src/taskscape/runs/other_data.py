"""A trained network on data that it was not trained with: other classes, another size, fewer labels."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from taskscape.data import DataSource, Packed, Store
from taskscape.data.sample import sample_values
from taskscape.losses.base import at_least_float32
from taskscape.modalities import Modality
from taskscape.models import Network, Outputs
from taskscape.runs.experiment import Experiment
from taskscape.tasks import Task

BEYOND = 0.01
"""Share of the labels outside the range of a task from which that is said."""
Convert = Callable[[Tensor], Tensor]
"""Turns raw output, (B, C, H, W), into that of another task."""


def check_height(height: int | None) -> None:
    """Raise ``ValueError`` for a height below 1 to which images are to be scaled."""
    if height is not None and height < 1:
        raise ValueError(f"height is {height}: it must be at least 1")


def scaled_to(size: tuple[int, ...], height: int | None) -> tuple[int, int]:
    """Return (H, W) scaled to a height with its aspect ratio; as it is where there is none."""
    return (size[0], size[1]) if height is None else (height, max(round(size[1] * height / size[0]), 1))


class AdaptedNetwork(Network):
    """A network whose images are brought to a height, and whose raw outputs become those of other tasks.

    Images are scaled with their aspect ratio and averaged, raw outputs are interpolated back to the size of the image
    before they are decoded.
    """

    def __init__(self, network: Network, height: int | None, converted: Mapping[str, Convert]) -> None:
        """Take the network, the height of its images in pixels, and what becomes of its outputs, by task."""
        super().__init__(network.out_channels)
        self.network, self.height, self.converted = network, height, dict(converted)

    @override
    def shared_modules(self) -> tuple[nn.Module, ...]:
        return self.network.shared_modules()

    @override
    def forward(self, image: Tensor) -> Outputs:
        size = image.shape[-2:]
        scaled = scaled_to(size, self.height)
        if scaled != size:
            image = F.interpolate(image, scaled, mode="bilinear", antialias=True)
        final = {}
        for name, raw in self.network(image).final.items():
            raw = self.converted[name](raw) if name in self.converted else at_least_float32(raw)
            final[name] = raw if raw.shape[-2:] == size else F.interpolate(raw, size, mode="bilinear")
        return Outputs(final, {}, ())


def source_of(data: DataSource | str | Path) -> DataSource:
    """Return a source of data as it is, and the folder of a store as a source."""
    return data if isinstance(data, DataSource) else Packed(Path(data))


def beyond_range(tasks: Mapping[str, Task], store: Store) -> Iterator[str]:
    """Yield a sentence for each task of which more than 1 % of the labels of a split lie outside what it can predict.

    Such labels count as the nearer end of the range, as predictions do, so that their errors look small.
    """
    for name, task in tasks.items():
        field = task.source_for(name)
        if task.range is None or field not in store.fields or not len(store.labelled(field)):
            continue
        low, high = task.range
        values = sample_values(store, field)
        share = float(np.mean((values < low) | (values > high))) if len(values) else 0.0
        if share > BEYOND:
            yield (
                f"{name}: {share:.0%} of the labels of {store.path}, {store.split}, lie outside {low:g} … {high:g}, the"
                " range of the network, and count as its nearer end: the errors there are larger than the metrics say"
            )


def adapted(
    experiment: Experiment,
    network: Network,
    fields: Mapping[str, Modality],
    where: str,
    *,
    classes: str = "",
    height: int | None = None,
) -> tuple[Experiment, Network, list[str]]:
    """Return an experiment and its network as they are measured on other data, and sentences about what is done.

    Tasks without labels in ``fields`` are left out. Where the data have other classes, their labels become the
    network's classes if such a map is known, and otherwise the probabilities of the network's classes are added up to
    those of the data (``Task.measured_on``). ``height`` is that of the network's images, by default that of the data.

    Raises ``ValueError`` as ``measured_on``, and for a height below 1.
    """
    check_height(height)
    tasks, converted, notes = measured_on(experiment.tasks, fields, where, classes)
    if height is not None or converted:
        network = AdaptedNetwork(network, height, converted).to(next(network.parameters()).device).eval()
    return replace(experiment, tasks=tasks), network, notes


def measured_on(
    tasks: Mapping[str, Task], fields: Mapping[str, Modality], where: str, classes: str = ""
) -> tuple[dict[str, Task], dict[str, Convert], list[str]]:
    """Return the tasks that can be measured on labels, what becomes of their raw outputs, and sentences about both.

    Raises ``ValueError`` with the remedy where no task has labels, or classes cannot be mapped.
    """
    measured: dict[str, Task] = {}
    converted: dict[str, Convert] = {}
    notes: list[str] = []
    for name, task in tasks.items():
        field = task.source_for(name)
        if field not in fields:
            notes.append(f"{where} has no labels {field!r}: the task {name} is not measured")
            continue
        try:
            measured[name], convert = task.measured_on(field, fields[field], classes)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error
        if convert is not None:
            converted[name] = convert
            notes.append(f"{name}: the network's classes are merged into those of {where}, their probabilities added")
    if not measured:
        raise ValueError(
            f"{where} has labels {', '.join(fields) or 'none'}, and the network predicts {', '.join(tasks)}: nothing "
            "can be measured"
        )
    if classes and not any(task.predicts_classes for task in measured.values()):
        raise ValueError(f"classes is {classes!r}, and none of {', '.join(measured)} has classes: leave it out")
    return measured, converted, notes
