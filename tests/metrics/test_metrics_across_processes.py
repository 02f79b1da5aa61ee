"""Two processes, each with some of the images, compute the same metrics as one with all of them."""

import pytest
import test_depth_metrics
import test_normals_metrics
import test_semseg_metrics
import torch

import test_albedo
import test_boundaries
from taskscape.metrics import (
    AlbedoMetrics,
    BoundaryMetrics,
    ConfidenceMetrics,
    DepthMetrics,
    NormalsMetrics,
    SegmentationMetrics,
)
from two_processes import of_both


def confidences():
    """Return probabilities of being right, whether predictions are right, and where that is known."""
    g = torch.Generator().manual_seed(0)
    probability, draw, known = torch.rand(3, 5, 12, 14, generator=g)
    return probability, (draw < probability).float(), known < 0.8


CASES = {
    "semseg": (lambda: SegmentationMetrics(test_semseg_metrics.CLASSES), test_semseg_metrics.example),
    "depth": (DepthMetrics, test_depth_metrics.example),
    "relative depth": (lambda: DepthMetrics(metric=False), test_depth_metrics.example),
    "normals": (NormalsMetrics, test_normals_metrics.example),
    "boundaries": (lambda: BoundaryMetrics(0.1), test_boundaries.example),
    "albedo": (AlbedoMetrics, lambda: test_albedo.example((21, 30))),
    "confidence": (ConfidenceMetrics, confidences),
}
FIRST = [3, 5]
"""Numbers of the five images on the first process; with 5, the second has none."""


def evaluated(images):
    results = {}
    for name, (metric, example) in CASES.items():
        accumulated = metric()
        accumulated.update(*(x[images] for x in example()))
        # Twice: compute and plots must not change what is accumulated.
        for _ in range(2):
            values, plots = accumulated.compute(), accumulated.plots()
            accumulated.update(*(x[:0] for x in example()))
        results[name] = values, plots
    return results


def one_process(rank):
    return [evaluated(slice(first) if rank == 0 else slice(first, None)) for first in FIRST]


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    return of_both(one_process, tmp_path_factory.mktemp("processes"))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("case", range(len(FIRST)))
@pytest.mark.parametrize("rank", range(2))
def test_two_processes_are_one(name, case, rank, both):
    values, plots = evaluated(slice(None))[name]
    both_values, both_plots = both[rank][case][name]
    assert list(both_values) == list(values)
    assert both_values == pytest.approx(values, rel=1e-12)
    for key in plots | both_plots:
        if isinstance(plots[key], dict):
            assert both_plots[key].keys() == plots[key].keys()
            assert all(both_plots[key][k] == pytest.approx(x, rel=1e-12) for k, x in plots[key].items())
        else:
            assert both_plots[key] == plots[key]
