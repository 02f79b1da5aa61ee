"""Δm: by how much a network is better or worse than one network per task. No torch here."""

from collections.abc import Mapping
from typing import NamedTuple

from taskscape.metrics.spec import MetricSpec


class DeltaM(NamedTuple):
    """The mean relative change of several metrics."""

    percent: float
    """Lower is better: negative where the metrics have improved."""
    metrics: tuple[str, ...]
    """The metrics that it is the mean of."""


def delta_m(
    metrics: Mapping[str, float], single_task: Mapping[str, float], specs: Mapping[str, MetricSpec]
) -> DeltaM | None:
    """Return Δm of metrics against those of single-task networks, all by ``task/metric``.

    Δm = 100/K · Σₖ (-1)^δₖ (Mₖ - Bₖ) / |Bₖ| over the K metrics that both have and that count by their specs; M is the
    network, B its single-task counterpart, δ is 1 where higher is better. The sign is that of Liu et al., NeurIPS 2021
    (https://arxiv.org/abs/2110.14048); Maninis et al., CVPR 2019 (https://arxiv.org/abs/1904.08918), who introduced
    the measure, have the opposite one. None where there is nothing to compare; a metric whose B is 0 does not count.
    """
    changes = {}
    for name, spec in specs.items():
        if spec.in_delta_m and name in metrics and single_task.get(name):
            change = (metrics[name] - single_task[name]) / abs(single_task[name])
            changes[name] = -change if spec.higher_is_better else change
    return DeltaM(100 * sum(changes.values()) / len(changes), tuple(changes)) if changes else None
