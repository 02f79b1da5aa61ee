"""Two processes must compute the values and gradients of the joined batch."""

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from test_losses import LOSSES, example, gradient

from taskscape.batch import Target

SPLITS = {"even": 2, "second process without a valid pixel": 3, "second process without an image": 4}


def joined_example(loss, images):
    """Four images, of which the first ``images`` go to the first process; the rest is made invalid."""
    prediction, (value, valid) = example(loss, shape=(4, 4, 6))
    valid = valid.clone()
    if images > 2:
        valid[3] = False
    return prediction, Target(value, valid)


def one_process(rank, rendezvous, results):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=2)
    found = []
    for loss in LOSSES:
        for images in SPLITS.values():
            prediction, (value, valid) = joined_example(loss, images)
            mine = slice(images) if rank == 0 else slice(images, None)
            found.append(gradient(loss, prediction[mine], Target(value[mine], valid[mine])))
    torch.save(found, f"{results}/{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    mp.spawn(one_process, (folder / "rendezvous", folder), nprocs=2)
    first, second = (torch.load(folder / f"{rank}.pt") for rank in range(2))
    keys = [(loss, images) for loss in LOSSES for images in SPLITS.values()]
    return dict(zip(keys, zip(first, second, strict=True), strict=True))


@pytest.mark.parametrize("images", SPLITS.values(), ids=SPLITS.keys())
@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_two_processes_are_one(loss, images, both):
    value, slope = gradient(loss, *joined_example(loss, images))
    (value_1, slope_1), (value_2, slope_2) = both[loss, images]
    torch.testing.assert_close(value_1 + value_2, value, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(torch.cat([slope_1, slope_2]), slope, rtol=1e-12, atol=1e-12)
