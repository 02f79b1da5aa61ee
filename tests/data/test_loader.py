from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from samples import FIELDS, NAMES, sample, without_labels, writer

from taskscape.batch import Batch, Target
from taskscape.data import Augmentation, Loader, Store
from taskscape.data.augment import Lens, draw
from taskscape.modalities import Modality, Semseg
from taskscape.modalities.base import Array
from taskscape.modalities.class_sets import CITYSCAPES_7, CITYSCAPES_19, CITYSCAPES_19_TO_7
from taskscape.tasks import Depth, SemanticSegmentation, SurfaceNormals, Task

CPU = torch.device("cpu")
Make = Callable[..., Store]
TASKS: dict[str, Task] = {
    "semseg": SemanticSegmentation(CITYSCAPES_19),
    "depth": Depth(),
    "normals": SurfaceNormals(),
}
EVERY = Augmentation(True, (1.0, 1.2, 1.5), (0.8, 1.2), (4, 6), 20, 0.2, 0.2, 0.2, 0.1)


def order(batches: list[Batch]) -> list[list[int]]:
    return [batch.indices.tolist() for batch in batches]


def parts(batch: Batch) -> list[torch.Tensor]:
    return [batch.image, batch.indices, *(part for target in batch.targets.values() for part in target)]


def test_in_order(make_store: Make) -> None:
    loader = Loader(make_store(), {"depth": Depth()}, 3, "cpu")
    assert len(loader) == 3
    batches = list(loader.epoch(0))
    assert order(batches) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(batches[0].targets) == ["depth"]


def test_the_order_is_a_function_of_seed_and_epoch(make_store: Make) -> None:
    store = make_store(40, (2, 2))
    orders = {
        (seed, epoch): order(list(Loader(store, {}, 8, CPU, seed=seed, shuffle=True).epoch(epoch)))
        for seed in (0, 1)
        for epoch in (0, 1)
    }
    assert len({str(o) for o in orders.values()}) == 4
    assert all(sorted(chain(*o)) == list(range(40)) for o in orders.values())
    assert order(list(Loader(store, {}, 8, CPU, seed=1, shuffle=True).epoch(1))) == orders[1, 1]


@pytest.mark.parametrize(
    "augmentation", [EVERY, Augmentation(flip=True), Augmentation(lens=Lens(distortion=0.2)), Augmentation(hue=0.1)]
)
def test_labels_are_moved_as_the_store_keeps_them(make_store: Make, augmentation: Augmentation) -> None:
    store, indices = make_store(), np.array([4, 1, 1])
    drawn = draw(3, 0, indices)
    unpacked = augmentation(store.gather(indices, NAMES, CPU), drawn, store.fields)
    moved = augmentation(store.gather_to_move(indices, NAMES, CPU), drawn, store.fields)
    assert all(torch.equal(a, b) for a, b in zip(parts(moved), parts(unpacked), strict=True))


@pytest.mark.parametrize("world", [2, 3])
def test_processes_share_the_global_batch(make_store: Make, world: int) -> None:
    store = make_store(23)
    settings = {"seed": 5, "augmentation": EVERY, "shuffle": True}
    whole = list(Loader(store, TASKS, 6, CPU, **settings).epoch(2))
    shares = [list(Loader(store, TASKS, 6, CPU, rank=r, world_size=world, **settings).epoch(2)) for r in range(world)]
    for number, batch in enumerate(whole):
        for rank in range(world):
            for part, expected in zip(parts(shares[rank][number]), parts(batch), strict=True):
                torch.testing.assert_close(part, expected[rank::world], rtol=0, atol=1e-6)


def test_skipping_starts_within_an_epoch_and_reads_nothing(make_store: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    loader = Loader(make_store(20), TASKS, 4, CPU, augmentation=EVERY, shuffle=True)
    whole = list(loader.epoch(1))
    reads = []
    gather = Store.gather_to_move
    monkeypatch.setattr(Store, "gather_to_move", lambda *args: (reads.append(1), gather(*args))[1])
    rest = list(loader.epoch(1, skip=3))
    assert len(reads) == len(rest) == 2
    for batch, expected in zip(rest, whole[3:], strict=True):
        assert all(torch.equal(a, b) for a, b in zip(parts(batch), parts(expected), strict=True))
    assert list(loader.epoch(1, skip=5)) == []


@pytest.mark.parametrize(
    ("count", "batch", "world", "sizes"),
    [
        (9, 4, 1, [4, 4]),  # the ninth would be a batch by itself
        (10, 4, 1, [4, 4, 2]),
        (8, 4, 1, [4, 4]),
        (11, 4, 2, [4, 4]),  # one of two processes would get a single image
        (12, 8, 2, [8, 4]),
        (6, 8, 2, [6]),
        (3, 1, 1, [1, 1, 1]),  # single images on request
        (4, 2, 2, [2, 2]),
    ],
)
def test_training_leaves_out_lonely_images(
    make_store: Make, count: int, batch: int, world: int, sizes: list[int]
) -> None:
    store = make_store(count, (1, 1))
    loaders = [Loader(store, {}, batch, CPU, drop_undersized=True, rank=r, world_size=world) for r in range(world)]
    each = [[len(b.image) for b in loader.epoch(0)] for loader in loaders]
    assert [sum(shares) for shares in zip(*each, strict=True)] == sizes
    assert all(len(loader) == len(sizes) for loader in loaders)


@pytest.mark.parametrize("count", [8, 9, 10, 11])
def test_evaluation_sees_every_image_once(make_store: Make, count: int) -> None:
    store = make_store(count, (1, 1))
    seen = [b for r in range(3) for b in order(list(Loader(store, {}, 4, CPU, rank=r, world_size=3).epoch(0)))]
    assert sorted(chain(*seen)) == list(range(count))
    assert all(seen)  # no batch is empty


def test_a_task_may_choose_other_classes_than_the_data(make_store: Make) -> None:
    store = make_store()
    tasks = {"fine": SemanticSegmentation(source="semseg"), "semseg": SemanticSegmentation(CITYSCAPES_7)}
    tasks = {name: task.for_data(task.source or name, FIELDS["semseg"]) for name, task in tasks.items()}
    reads = []
    gather = store.gather
    store.gather = lambda indices, fields, device: (reads.append(fields), gather(indices, fields, device))[1]
    targets = next(Loader(store, {**tasks, "depth": Depth()}, 7, CPU).epoch(0)).targets
    assert list(targets) == ["fine", "semseg", "depth"] and reads == [("semseg", "depth")]
    ids, valid = targets["fine"]
    assert torch.equal(ids, gather(range(7), ["semseg"], CPU).targets["semseg"].value)
    assert torch.equal(targets["semseg"].valid, valid)
    assert torch.equal(targets["semseg"].value[valid], torch.tensor(CITYSCAPES_19_TO_7)[ids[valid]])


class Sky(SemanticSegmentation):
    def target(self, target: Target, modality: Modality) -> Target:
        assert isinstance(modality, Semseg)
        return Target((target.value == modality.classes.classes.index("sky")).long(), target.valid)


def test_a_task_derives_its_target_from_the_augmented_field(make_store: Make) -> None:
    store = make_store()
    tasks = {"sky": Sky(source="semseg"), "semseg": SemanticSegmentation(CITYSCAPES_19)}
    targets = next(Loader(store, tasks, 7, CPU, augmentation=EVERY).epoch(0)).targets
    assert torch.equal(targets["sky"].value == 1, targets["semseg"].value == 10)
    assert torch.equal(targets["sky"].valid, targets["semseg"].valid)


class Scaled(Depth):
    def image_factors(self, description: Any, split: str) -> Array:
        return np.arange(1.0, 8.0)


def test_a_task_may_scale_the_label_of_each_image(make_store: Make) -> None:
    store = make_store()
    indices = np.array([5, 2, 6])
    scaled = Loader(store, {"depth": Scaled()}, 3, CPU).batch(indices).targets["depth"]
    plain = Loader(store, {"depth": Depth()}, 3, CPU).batch(indices).targets["depth"]
    factors = torch.tensor([6.0, 3.0, 7.0]).view(3, 1, 1, 1)
    assert torch.equal(scaled.valid, plain.valid)
    valid = plain.valid.unsqueeze(1)
    torch.testing.assert_close(scaled.value[valid], (plain.value * factors).clamp(0.5, 300)[valid])


@pytest.mark.parametrize("augmentation", [None, EVERY])
@pytest.mark.parametrize("channels_last", [False, True])
def test_memory_order(make_store: Make, augmentation: Augmentation | None, channels_last: bool) -> None:
    loader = Loader(make_store(), TASKS, 4, CPU, augmentation=augmentation, channels_last=channels_last)
    image = next(loader.epoch(0)).image
    wanted = torch.channels_last if channels_last else torch.contiguous_format
    assert image.is_contiguous(memory_format=wanted) and image.dtype == torch.float32


def test_samples_without_a_label(tmp_path: Path) -> None:
    filling = writer(tmp_path / "s", train=2)
    filling.put("train", 0, sample(0))
    filling.put("train", 1, without_labels(sample(1)))
    filling.finish()
    loader = Loader(Store.open(tmp_path / "s", "train"), TASKS, 2, CPU, augmentation=EVERY)
    for target in next(loader.epoch(0)).targets.values():
        assert not target.valid[1].any()
        assert target.value.isfinite().all()


def test_what_cannot_be_loaded(make_store: Make) -> None:
    store = make_store(1)
    with pytest.raises(ValueError, match=r"no labels 'dept' for the task distance; did you mean depth\?"):
        Loader(store, {"semseg": SemanticSegmentation(), "distance": Depth(source="dept")}, 4, CPU)
    with pytest.raises(ValueError, match="a batch of 2 images for 3 processes"):
        Loader(store, TASKS, 2, CPU, world_size=3, rank=0)
    with pytest.raises(ValueError, match=r"1 image in split 'train', too few to train"):
        Loader(store, TASKS, 2, CPU, drop_undersized=True)
    assert len(list(Loader(store, TASKS, 2, CPU).epoch(0))) == 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_same(make_store: Make) -> None:
    store = make_store(20)
    settings = {"augmentation": EVERY, "shuffle": True}
    expected = list(Loader(store, TASKS, 4, CPU, **settings).epoch(0))
    device = torch.device("cuda", 0)
    mapped = [store.gather(batch.indices.numpy(), NAMES, device) for batch in expected]
    batches = list(Loader(store, TASKS, 4, device, **settings).epoch(0))
    cached = [store.gather(batch.indices.numpy(), NAMES, device) for batch in expected]
    for a, b in zip(mapped, cached, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(parts(a), parts(b), strict=True))
    for a, b in zip(batches, expected, strict=True):
        assert a.image.device == device
        torch.testing.assert_close(a.image.cpu(), b.image, rtol=0, atol=1e-4)
        # The devices may round differently for pixels halfway between two others.
        same = np.mean((a.targets["semseg"].value.cpu() == b.targets["semseg"].value).numpy())
        assert same > 0.95
