"""Two processes, each with its share of the images, must find what one finds with all."""

import pytest
import test_depth_metrics
import test_normals_metrics
import test_segmentation_metrics
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from taskscape.metrics import DepthMetrics, NormalsMetrics, SegmentationMetrics

CASES = {
    "semseg": (lambda: SegmentationMetrics(test_segmentation_metrics.CLASSES), test_segmentation_metrics.example),
    "depth": (DepthMetrics, test_depth_metrics.example),
    "normals": (NormalsMetrics, test_normals_metrics.example),
}
FIRST = [3, 5]
"""How many of the five images the first process has; none are left for the second."""


def measured(images):
    found = {}
    for name, (metric, example) in CASES.items():
        accumulated = metric()
        accumulated.update(*(x[images] for x in example()))
        # Twice: looking must not change what is accumulated.
        for _ in range(2):
            values, figures = accumulated.compute(), accumulated.figures()
            accumulated.update(*(x[:0] for x in example()))
        found[name] = values, figures
    return found


def one_process(rank, rendezvous, results):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=2)
    shares = [slice(first) if rank == 0 else slice(first, None) for first in FIRST]
    torch.save([measured(share) for share in shares], f"{results}/{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    mp.spawn(one_process, (folder / "rendezvous", folder), nprocs=2)
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("case", range(len(FIRST)))
@pytest.mark.parametrize("rank", range(2))
def test_two_processes_are_one(name, case, rank, both):
    values, figures = measured(slice(None))[name]
    found_values, found_figures = both[rank][case][name]
    assert list(found_values) == list(values)
    assert found_values == pytest.approx(values, rel=1e-12)
    for key in figures | found_figures:
        if isinstance(figures[key], dict):
            assert found_figures[key].keys() == figures[key].keys()
            assert all(found_figures[key][k] == pytest.approx(x, rel=1e-12) for k, x in figures[key].items())
        else:
            assert found_figures[key] == figures[key]
