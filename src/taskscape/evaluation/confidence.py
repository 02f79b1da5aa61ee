"""Metrics of how well a network's confidence fits its errors on a split, before and after calibration."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from taskscape.batch import Batch, Target
from taskscape.devices import with_float64
from taskscape.evaluation.evaluator import Evaluation
from taskscape.metrics.confidence import ConfidenceMetrics
from taskscape.metrics.spec import MetricSpec
from taskscape.models import Outputs
from taskscape.tasks import Task
from taskscape.tasks.distributions.base import Distribution

LARGE = 4096
"""For images with at least this many pixels, only every second row and column is measured."""
_SUFFIX = "_uncalibrated"


class ConfidenceEvaluator:
    """Accumulates ``ConfidenceMetrics`` of tasks with a confidence; of large images, every second row and column.

    ``spreads`` maps the tasks to measure to their calibration. Names of metrics before calibration end in
    ``_uncalibrated``; tasks with a spread of None do not have these.
    """

    def __init__(self, tasks: Mapping[str, Task], spreads: Mapping[str, float | None], device: torch.device) -> None:
        self.device = with_float64(device)
        self.tasks = tasks
        candidates = {name: task.distribution for name, task in tasks.items() if name in spreads}
        self.distributions = {name: candidate for name, candidate in candidates.items() if candidate is not None}
        """The distribution of each measured task."""
        self.spreads = {name: spreads[name] or 1.0 for name in self.distributions}
        """The spread of each measured task; 1 without calibration."""
        self.after = {name: self._metrics(distribution) for name, distribution in self.distributions.items()}
        self.before = {
            name: self._metrics(distribution)
            for name, distribution in self.distributions.items()
            if spreads[name] is not None
        }

    def update(self, batch: Batch, outputs: Outputs) -> None:
        """Update with a batch and the network's outputs for it."""
        for name, distribution in self.distributions.items():
            raw, value, valid = (self._subsampled(x) for x in (outputs.final[name], *batch.targets[name]))
            prediction, target = self.tasks[name].decode(raw), Target(value, valid)
            right, error = distribution.right(prediction, target), distribution.error(prediction, target)
            for metrics, spread in ((self.after, self.spreads[name]), (self.before, 1.0)):
                if name in metrics:
                    estimate = distribution.estimate(raw, spread)
                    metrics[name].update(
                        estimate.probability,
                        right,
                        valid,
                        uncertainty=estimate.uncertainty,
                        error=error,
                        nll=distribution.nll(raw, target, spread),
                    )

    def added_to(self, evaluation: Evaluation) -> Evaluation:
        """Return the evaluation with these metrics and plots of all processes added. Every process must call it."""
        values: dict[str, float] = {}
        specs: dict[str, MetricSpec] = {}
        plots: dict[str, Any] = {}
        for name, metric in self.after.items():
            values |= {f"{name}/{key}": value for key, value in metric.compute().items()}
            specs |= {f"{name}/{key}": spec for key, spec in metric.specs.items()}
            plots |= {f"{name}/{key}": plot for key, plot in metric.plots().items()}
        for name, metric in self.before.items():
            computed = metric.compute()
            values |= {f"{name}/{key}{_SUFFIX}": computed[key] for key in ("ece", "nll", "ause") if key in computed}
            specs |= {f"{name}/{key}{_SUFFIX}": _uncalibrated_spec(metric.specs[key]) for key in ("ece", "nll", "ause")}
            if "reliability" in (metric_plots := metric.plots()):
                plots[f"{name}/reliability{_SUFFIX}"] = metric_plots["reliability"]
        return evaluation._replace(
            metrics=evaluation.metrics | values, specs=evaluation.specs | specs, plots=evaluation.plots | plots
        )

    def _metrics(self, distribution: Distribution) -> ConfidenceMetrics:
        return ConfidenceMetrics(distribution.error_title, distribution.right_when).to(self.device)

    def _subsampled(self, x: Tensor) -> Tensor:
        """Return every second row and column of a large map, (..., H, W), which takes a quarter of the time."""
        return (x[..., ::2, ::2] if x.shape[-2] * x.shape[-1] >= LARGE else x).to(self.device)


def _uncalibrated_spec(spec: MetricSpec) -> MetricSpec:
    return replace(spec, title=f"{spec.title}, uncalibrated", optional=True)
