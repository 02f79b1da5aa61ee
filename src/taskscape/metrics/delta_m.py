"""Δm: by how much a network is better or worse than one network per task. No torch here."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from taskscape.metrics.spec import MetricSpec


class DeltaM(NamedTuple):
    """The mean relative change of several metrics."""

    percent: float
    """Lower is better: negative where the metrics have improved."""
    metrics: tuple[str, ...]
    """The metrics that it is the mean of."""


LISTS: dict[str, tuple[str, ...]] = {
    "nyuv2": (
        "semseg/miou",
        "semseg/pixel_accuracy",
        "depth/abs_err",
        "depth/abs_rel",
        "normals/mean",
        "normals/median",
        "normals/within_11.25",
        "normals/within_22.5",
        "normals/within_30",
    ),
    "nyuv2-two-tasks": ("semseg/miou", "semseg/pixel_accuracy", "depth/abs_err", "depth/abs_rel"),
    "cityscapes": ("semseg/miou", "semseg/pixel_accuracy", "depth/inverse_abs_err", "depth/inverse_abs_rel"),
}
"""The metrics of published tables: of CAGrad, Nash-MTL and those after them. Depth of Cityscapes is inverse depth."""


def metrics_of(names: Sequence[str]) -> tuple[str, ...]:
    """Return the metrics that names of lists and of metrics, ``task/metric``, stand for; each once."""
    return tuple(dict.fromkeys(metric for name in names for metric in LISTS.get(name, (name,))))


def delta_m(
    metrics: Mapping[str, float],
    single_task: Mapping[str, float],
    specs: Mapping[str, MetricSpec],
    chosen: Sequence[str] = (),
) -> DeltaM | None:
    """Return Δm of metrics against those of single-task networks, all by ``task/metric``.

    Δm = 100/K · Σₖ (-1)^δₖ (Mₖ - Bₖ) / |Bₖ| over the K metrics that both have and that count by their specs, or over
    those that are ``chosen``, of which none may be missing; M is the network, B its single-task counterpart, δ is 1
    where higher is better.

    The sign is that of Liu et al., NeurIPS 2021 (https://arxiv.org/abs/2110.14048); Maninis et al., CVPR 2019
    (https://arxiv.org/abs/1904.08918), who introduced the measure, have the opposite one. None where there is nothing
    to compare; a metric whose B is 0 does not count.
    """
    if any(name not in specs or name not in metrics or not single_task.get(name) for name in chosen):
        return None
    counted = {name: specs[name] for name in chosen} or {name: spec for name, spec in specs.items() if spec.in_delta_m}
    changes = {}
    for name, spec in counted.items():
        if name in metrics and single_task.get(name):
            change = (metrics[name] - single_task[name]) / abs(single_task[name])
            changes[name] = -change if spec.higher_is_better else change
    return DeltaM(100 * sum(changes.values()) / len(changes), tuple(changes)) if changes else None
