"""The specs of metrics are correct: each is tested with good and bad predictions."""

import copy
import pickle
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import taskscape.metrics
from taskscape.metrics import (
    AlbedoMetrics,
    BoundaryMetrics,
    ConfidenceMetrics,
    DepthMetrics,
    MetricSpec,
    NormalsMetrics,
    SegmentationMetrics,
    TaskMetric,
)

CLASSES = ("road", "tree", "car")


def classes(error, generator):
    value = torch.randint(3, (4, 16, 16), generator=generator)
    guess = torch.randint(3, (4, 16, 16), generator=generator)
    return torch.where(torch.rand(4, 16, 16, generator=generator) < error, guess, value), value


def depths(error, generator):
    value = 10 * torch.randn(4, 1, 16, 16, generator=generator).exp()
    return value * (error * torch.randn(4, 1, 16, 16, generator=generator)).exp(), value


def normals(error, generator):
    value = F.normalize(torch.randn(4, 3, 16, 16, generator=generator), dim=1)
    return value + error * torch.randn(4, 3, 16, 16, generator=generator), value


def boundaries(error, generator):
    value = (torch.rand(4, 1, 16, 16, generator=generator) < 0.1).float()
    return (1 - error) * value + error * torch.rand(4, 1, 16, 16, generator=generator), value


def albedos(error, generator):
    value = torch.rand(4, 3, 16, 16, generator=generator)
    return value + error * torch.rand(4, 3, 16, 16, generator=generator), value


def confidences(error, generator):
    """The fewer predictions are wrong, the worse a random order is relative to the best one."""
    value = torch.rand(4, 16, 16, generator=generator) < 0.4 + 0.5 * error
    return (1 - error) * value + error * torch.rand(4, 16, 16, generator=generator), value.float()


CASES = {
    "semseg": (lambda: SegmentationMetrics(CLASSES), classes),
    "depth": (DepthMetrics, depths),
    "relative depth": (lambda: DepthMetrics(metric=False), depths),
    "normals": (NormalsMetrics, normals),
    "boundaries": (BoundaryMetrics, boundaries),
    "albedo": (AlbedoMetrics, albedos),
    "confidence": (ConfidenceMetrics, confidences),
}
"""Functions that create a metric, and a prediction with an error from 0 to 1 with its ground truth."""


def evaluated(name, error):
    make, example = CASES[name]
    metric = make()
    prediction, value = example(error, torch.Generator().manual_seed(0))
    metric.update(prediction, value, torch.ones(4, 16, 16, dtype=torch.bool))
    return metric


def test_every_metric_of_the_package_is_here():
    public = (getattr(taskscape.metrics, name) for name in taskscape.metrics.__all__)
    offered = {m for m in public if isinstance(m, type) and issubclass(m, TaskMetric)} - {TaskMetric}
    assert {type(make()) for make, _ in CASES.values()} == offered
    here = Path(taskscape.metrics.__file__).parent
    files = {path.stem for path in here.glob("*.py") if "(TaskMetric)" in path.read_text()}
    assert {metric.__module__.rpartition(".")[2] for metric in offered} == files


@pytest.mark.parametrize("name", CASES)
def test_specs_are_those_of_what_is_computed(name):
    metric = evaluated(name, 0.5)
    assert list(metric.specs) == list(metric.compute())
    for spec in metric.specs.values():
        assert isinstance(spec, MetricSpec) and spec.title and spec.text.endswith(".")
        assert spec.unit in ("", "%", "m", "°")
    assert len({spec.title for spec in metric.specs.values()}) == len(metric.specs)


@pytest.mark.parametrize("name", CASES)
def test_directions(name):
    good, bad = evaluated(name, 0.2), evaluated(name, 0.8)
    better, worse = good.compute(), bad.compute()
    for key, spec in good.specs.items():
        assert better[key] > worse[key] if spec.higher_is_better else better[key] < worse[key], key


@pytest.mark.parametrize("name", [name for name in CASES if name != "confidence"])  # which extends other metrics
def test_one_metric_leads_and_it_is_not_one_of_a_class(name):
    leading = [spec for spec in CASES[name][0]().specs.values() if spec.leads]
    assert len(leading) == 1 and not leading[0].per_class


@pytest.mark.parametrize(
    ("name", "leading", "in_delta_m"),
    [
        ("semseg", "miou", {"miou", "pixel_accuracy"}),
        ("depth", "abs_rel", {"abs_err", "abs_rel"}),
        ("relative depth", "si_log_rmse", {"si_log_rmse", "median_scaled_abs_rel"}),
        ("normals", "mean", {"mean", "median", "within_11.25", "within_22.5", "within_30"}),
        ("boundaries", "ods", {"ods"}),
        ("albedo", "si_mse", {"si_mse", "lmse"}),
    ],
)
def test_the_metrics_that_the_literature_compares(name, leading, in_delta_m):
    specs = CASES[name][0]().specs
    assert {key for key, spec in specs.items() if spec.in_delta_m} == in_delta_m
    assert specs[leading].leads


def test_classes_are_named_task_metric_class():
    specs = SegmentationMetrics(CLASSES).specs
    assert [key for key, spec in specs.items() if spec.per_class] == ["iou/road", "iou/tree", "iou/car"]


@pytest.mark.parametrize("name", CASES)
def test_metrics_can_be_copied(name):
    metric = evaluated(name, 0.5)
    for other in (copy.deepcopy(metric), pickle.loads(pickle.dumps(metric))):
        assert other.compute() == metric.compute() and other.specs == metric.specs


@pytest.mark.parametrize("cast", [nn.Module.half, nn.Module.bfloat16, nn.Module.float, lambda m: m.to(torch.float16)])
@pytest.mark.parametrize("name", CASES)
def test_casting_a_module_keeps_the_sums_of_its_metrics(name, cast):
    metric = evaluated(name, 0.5)
    expected = {key: state.clone() for key, state in metric.named_buffers()}
    cast(nn.ModuleList([nn.Linear(2, 2), metric]))
    for key, state in metric.named_buffers():
        assert state.dtype == expected[key].dtype and torch.equal(state, expected[key])
