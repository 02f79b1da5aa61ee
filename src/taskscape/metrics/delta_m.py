"""Δm: how much better or worse a network is than one network per task. Does not import torch."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from taskscape.metrics.spec import MetricSpec


class DeltaM(NamedTuple):
    """The mean relative change of several metrics."""

    percent: float
    """The change in percent; negative if the metrics improved."""
    metrics: tuple[str, ...]
    """The metrics that were averaged."""


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
"""The metrics in the tables of CAGrad, Nash-MTL and their successors. Depth of Cityscapes is inverse depth."""


def metrics_of(names: Sequence[str]) -> tuple[str, ...]:
    """Expand names of lists, next to names of metrics, ``task/metric``, to metrics without duplicates."""
    return tuple(dict.fromkeys(metric for name in names for metric in LISTS.get(name, (name,))))


def delta_m(
    metrics: Mapping[str, float],
    single_task: Mapping[str, float],
    specs: Mapping[str, MetricSpec],
    chosen: Sequence[str] = (),
) -> DeltaM | None:
    """Return Δm of a network's metrics against those of single-task networks, all by ``task/metric``.

    Δm = 100/K · Σₖ (-1)^δₖ (Mₖ - Bₖ) / |Bₖ|, where M is the network, B its single-task counterpart, and δ is 1 if
    higher is better. The K metrics are those that are ``chosen``, or else those with ``in_delta_m`` in their specs that
    both have with B ≠ 0. Returns None if a chosen metric is missing or its B is 0, or if there is nothing to compare.

    The sign is that of Liu et al., NeurIPS 2021 (https://arxiv.org/abs/2110.14048); Maninis et al., CVPR 2019
    (https://arxiv.org/abs/1904.08918), who introduced the measure, use the opposite sign.
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
