"""Adapt a trained network to other data than its training data: other classes, another size, fewer labels."""

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
from taskscape.serialization.arguments import checked
from taskscape.serialization.ranges import Count
from taskscape.tasks import Task

MAX_SHARE_BEYOND = 0.01
"""Fraction of labels outside a task's range above which a warning is given."""
Convert = Callable[[Tensor], Tensor]
"""Converts raw output, (B, C, H, W), into that of another task."""


def scaled_to(size: tuple[int, ...], height: int | None) -> tuple[int, int]:
    """Return (H, W) scaled to a height with the same aspect ratio, or unchanged if the height is None."""
    return (size[0], size[1]) if height is None else (height, max(round(size[1] * height / size[0]), 1))


class AdaptedNetwork(Network):
    """A network whose images are scaled to a height, and whose raw outputs are converted to those of other tasks.

    Images keep their aspect ratio and are scaled with antialiasing; raw outputs are interpolated back to the size of
    the image before they are decoded.
    """

    def __init__(self, network: Network, height: int | None, converted: Mapping[str, Convert]) -> None:
        """Take the network, the height of its images in pixels, and the conversion of its outputs, by task."""
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
    """Return a data source unchanged, and the folder of a store as a source."""
    return data if isinstance(data, DataSource) else Packed(Path(data))


def beyond_range(tasks: Mapping[str, Task], store: Store) -> Iterator[str]:
    """Yield a sentence for each task with more than 1 % of the labels of a split outside the range of its predictions.

    Such labels are clamped to the range, as predictions are, so their errors look too small.
    """
    for name, task in tasks.items():
        field = task.source_for(name)
        if task.range is None or field not in store.fields or not len(store.labeled_images(field)):
            continue
        low, high = task.range
        values = sample_values(store, field)
        share = float(np.mean((values < low) | (values > high))) if len(values) else 0.0
        if share > MAX_SHARE_BEYOND:
            yield (
                f"{name}: {share:.0%} of the labels of {store.path}, {store.split}, lie outside {low:g} … {high:g}, the"
                " range of the network, and are clamped to it: the errors there are larger than the metrics say"
            )


@checked
def adapted(
    experiment: Experiment,
    network: Network,
    fields: Mapping[str, Modality],
    where: str,
    *,
    classes: str = "",
    height: Count | None = None,
) -> tuple[Experiment, Network, list[str]]:
    """Return an experiment and its network adapted for evaluation on other data, and sentences on the changes.

    Tasks without labels in ``fields`` are left out. If the data have other classes, their labels are mapped to the
    network's classes if such a map is known; otherwise the probabilities of the network's classes are added up to those
    of the data (``Task.measured_on``). ``height`` is that of the network's images, by default that of the data.

    Raises ``ValueError`` as ``measured_on`` does, and for a height below 1.
    """
    tasks, converted, notes = measured_on(experiment.tasks, fields, where, classes)
    if height is not None or converted:
        network = AdaptedNetwork(network, height, converted).to(next(network.parameters()).device).eval()
    return replace(experiment, tasks=tasks), network, notes


def measured_on(
    tasks: Mapping[str, Task], fields: Mapping[str, Modality], where: str, classes: str = ""
) -> tuple[dict[str, Task], dict[str, Convert], list[str]]:
    """Return the tasks that can be evaluated on the labels, conversions of their raw outputs, and sentences on both.

    Raises ``ValueError`` with the remedy if no task has labels, or classes cannot be mapped.
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
            f"{where} has labels {', '.join(fields) or 'none'}, and the network predicts {', '.join(tasks)}: there is "
            "nothing to evaluate"
        )
    if classes and not any(task.predicts_classes for task in measured.values()):
        raise ValueError(f"classes is {classes!r}, and none of {', '.join(measured)} has classes: leave it out")
    return measured, converted, notes
