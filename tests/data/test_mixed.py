"""Several stores as one: exact shares, a reproducible order, labels where they exist, classes by name."""

import os
import pickle
import signal
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from blocks import SIZE, blocks, pack
from taskscape import runs
from taskscape.batch import Sample
from taskscape.commands.experiment import parse
from taskscape.data import Augmentation, Loader, Mixed, MixedPart, Packed, Store, StoreWriter, Streets
from taskscape.data.mixed import MixedStore
from taskscape.data.sources import Part
from taskscape.errors import Interrupted
from taskscape.modalities import Depth, Semseg
from taskscape.modalities.class_sets import ClassSet
from taskscape.run_folder import Result, RunFolder
from taskscape.runs import Experiment
from taskscape.serialization import dump
from taskscape.serialization import parse as parse_yaml
from taskscape.tasks import Depth as DepthTask
from taskscape.tasks import SemanticSegmentation, SurfaceNormals
from taskscape.training import checkpoint
from taskscape.training.step import TrainingStep
from tiny import tiny
from two_processes import train_on_both

CPU = torch.device("cpu")
FINE = ClassSet("fine", ("wall", "sky", "house"), ((0, 0, 0), (1, 1, 1), (2, 2, 2)))
COARSE = ClassSet("coarse", ("house", "sky"), ((0, 0, 0), (1, 1, 1)))


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write ``classes`` (7 images, with classes), ``shapes`` (12, depth and normals), ``fine`` (5, other classes)."""
    folder = tmp_path_factory.mktemp("stores")
    pack(folder / "classes", train=7, val=3, classes=COARSE, fields=("semseg",), seed=1)
    pack(folder / "shapes", train=12, val=4, fields=("depth", "normals"), seed=2)
    pack(folder / "fine", train=5, val=2, classes=FINE, fields=("semseg", "depth"), seed=3)
    return folder


def source(stores: Path, *parts: str, **settings: Any) -> Mixed:
    return Mixed(
        tuple(f"{stores / name}{',' if more else ''}{more}" for name, _, more in (p.partition(",") for p in parts)),
        **settings,
    )


def train(stores: Path, *parts: str, **settings: Any) -> MixedStore:
    store = source(stores, *parts, **settings).open()["train"]
    assert isinstance(store, MixedStore)
    return store


def owner(store: Store, order: np.ndarray) -> list[str]:
    return [store.names[index % len(store)].partition("/")[0] for index in order]


# -- order -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shares", "batch_size", "images"), [((1, 1), 4, None), ((3, 1), 4, 40), ((1, 7), 6, 48), ((0.2, 0.3), 5, 17)]
)
def test_every_epoch_has_the_shares_and_every_batch_nearly(
    stores: Path, shares: tuple[float, float], batch_size: int, images: int | None
) -> None:
    store = train(stores, f"classes,share={shares[0]}", f"shapes,share={shares[1]}", images=images)
    length = store.epoch_length(batch_size)
    assert length % batch_size == 0 and abs(length - (images or len(store))) <= batch_size / 2
    expected = [length * share / sum(shares) for share in shares]
    for epoch in range(5):
        order = store.order(3, epoch, batch_size)
        assert len(set(order.tolist())) == len(order) == length
        counts = Counter(owner(store, order))
        assert all(abs(counts[name] - n) <= 0.5 for name, n in zip(("classes", "shapes"), expected, strict=True))
        for batch in order.reshape(-1, batch_size):
            of_first = owner(store, batch).count("classes")
            assert abs(of_first - batch_size * shares[0] / sum(shares)) <= 1


def test_three_stores_and_a_tiny_share(stores: Path) -> None:
    store = train(stores, "classes,share=6", "shapes,share=3,labels=depth", "fine,labels=depth")
    assert store.counts(20) == [12, 6, 2]
    assert train(stores, "classes", "shapes,share=0.0001").counts(8) == [7, 1]
    with pytest.raises(ValueError, match=r"an epoch has 2 images for 3 stores .*data\.images"):
        store.counts(2)


def test_no_image_comes_again_before_all_others_have_come(stores: Path) -> None:
    store = train(stores, "classes,share=2", "shapes,share=1", images=12)
    seen: dict[str, list[str]] = {"classes": [], "shapes": []}
    for epoch in range(9):
        order = store.order(0, epoch, 6)
        for index in order:
            seen[owner(store, np.array([index]))[0]].append(store.names[index % len(store)])
    for name, count in (("classes", 7), ("shapes", 12)):
        times = Counter(seen[name])
        assert len(times) == count and max(times.values()) - min(times.values()) <= 1


def test_the_order_is_a_function_of_seed_and_epoch(stores: Path) -> None:
    store, again = (train(stores, "classes", "shapes") for _ in range(2))
    orders = {(seed, epoch): store.order(seed, epoch, 4).tolist() for seed in range(2) for epoch in range(3)}
    assert len(set(map(tuple, orders.values()))) == 6
    assert all(again.order(seed, epoch, 4).tolist() == order for (seed, epoch), order in orders.items())
    assert pickle.loads(pickle.dumps(store)).order(1, 2, 4).tolist() == orders[1, 2]


def test_the_number_of_processes_does_not_change_the_samples(stores: Path) -> None:
    store = train(stores, "classes,share=2", "shapes")
    tasks = {"semseg": SemanticSegmentation(COARSE), "depth": DepthTask()}

    def batches(rank: int, world_size: int) -> list[list[int]]:
        loader = Loader(store, tasks, 6, CPU, shuffle=True, drop_undersized=True, rank=rank, world_size=world_size)
        return [batch.indices.tolist() for batch in loader.epoch(1)]

    alone, first, second = batches(0, 1), batches(0, 2), batches(1, 2)
    assert len(alone) == len(first) == len(second) == 3
    assert [sorted(a + b) for a, b in zip(first, second, strict=True)] == [sorted(batch) for batch in alone]
    assert any(i < 7 for batch in first for i in batch) and any(i < 7 for batch in second for i in batch)


def test_an_image_that_comes_twice_is_augmented_twice(stores: Path) -> None:
    store = train(stores, "classes,share=9", "shapes", images=60)
    loader = Loader(
        store,
        {"semseg": SemanticSegmentation(COARSE)},
        12,
        CPU,
        augmentation=Augmentation(brightness=0.5),
        shuffle=True,
    )
    images: dict[int, list[torch.Tensor]] = {}
    for batch in loader.epoch(0):
        for index, image in zip(batch.indices.tolist(), batch.image, strict=True):
            images.setdefault(index, []).append(image)
    assert max(map(len, images.values())) >= 7
    for same in images.values():
        assert len({image.sum().item() for image in same}) == len(same)


# -- batches ---------------------------------------------------------------------------------------------------------


def test_labels_are_those_of_the_part_and_others_are_not_valid(stores: Path) -> None:
    store = train(stores, "classes", "shapes,labels=depth")
    assert list(store.fields) == ["semseg", "depth"] and len(store) == 19
    batch = store.gather([8, 0, 18, 6 + 19], ("semseg", "depth"), CPU)
    assert batch.indices.tolist() == [8, 0, 18, 6]
    own = {name: Store.open(stores / name, "train") for name in ("classes", "shapes")}
    a, b = own["classes"].gather([0, 6], ("semseg",), CPU), own["shapes"].gather([1, 11], ("depth",), CPU)
    assert torch.equal(batch.image[[1, 3]], a.image) and torch.equal(batch.image[[0, 2]], b.image)
    for name, mine, theirs in (("semseg", [1, 3], a), ("depth", [0, 2], b)):
        value, valid = batch.targets[name]
        assert torch.equal(value[mine], theirs.targets[name].value)
        assert torch.equal(valid[mine], theirs.targets[name].valid)
        others = [i for i in range(4) if i not in mine]
        assert not valid[others].any() and value.isfinite().all()
    assert store.labeled_images("depth").tolist() == list(range(7, 19))


def test_classes_become_those_of_the_first_store(stores: Path) -> None:
    mixed = source(stores, "classes", "fine,labels=semseg,classes=wall:house+house:")
    store = mixed.open()["train"]
    assert store.fields == {"semseg": Semseg(COARSE)} and mixed.preview().fields == store.fields
    target = store.gather(range(7, 12), ("semseg",), CPU).targets["semseg"]
    raw = Store.open(stores / "fine", "train").gather(range(5), ("semseg",), CPU).targets["semseg"]
    assert torch.equal(target.valid, raw.value != 2)
    assert torch.equal(target.value[target.valid], torch.tensor([0, 1])[raw.value[target.valid]])
    assert any("house becomes no class" in note for note in store.notes)
    by_name = train(stores, "classes", "fine,labels=semseg")
    assert by_name.manifest.fingerprint != store.manifest.fingerprint  # its labels differ
    target = by_name.gather(range(7, 12), ("semseg",), CPU).targets["semseg"]
    assert torch.equal(target.valid, raw.value != 0) and any("wall becomes no class" in note for note in by_name.notes)


def test_factors_of_images_are_those_of_their_own_store(stores: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as the camera of each image, from the manifest of its store."""
    cameras = {"shapes": None, "fine": np.arange(5) + 10.0}
    by_length = {12: cameras["shapes"], 5: cameras["fine"]}
    seen: list[Any] = []

    def image_factors(self: DepthTask, description: Any, split: str) -> Any:
        seen.append((description, split))
        return by_length[(12, 5)[len(seen) - 1]]

    monkeypatch.setattr(DepthTask, "image_factors", image_factors)
    store = train(stores, "shapes,labels=depth", "fine,labels=depth")
    loader = Loader(store, {"depth": DepthTask(max_depth=9000)}, 4, CPU)
    plain = store.gather([3, 12, 16, 13], ("depth",), CPU).targets["depth"].value
    scaled = loader.batch(np.array([3, 12, 16, 13])).targets["depth"].value
    assert seen == [(None, "train")] * 2
    factors = torch.tensor([1.0, 10.0, 14.0, 11.0]).view(-1, 1, 1, 1)
    assert torch.allclose(scaled[plain > 0], (plain * factors)[plain > 0])


def odd(path: Path, size: tuple[int, int], metric: bool = True) -> Path:
    """Write a store of another size: an image whose columns count up, with matching depth."""
    writer = StoreWriter(path, size, {"train": 2, "val": 1}, {"depth": Depth(metric)}, {"kind": "odd"})
    for split, count in (("train", 2), ("val", 1)):
        for index in range(count):
            columns = np.broadcast_to(np.arange(size[1]), size)
            image = np.repeat(columns[..., None], 3, 2).astype(np.uint8)
            depth = (1.0 + columns).astype(np.float32)
            if not metric:
                depth /= np.median(depth)
            writer.put(split, index, Sample({"image": image, "depth": depth}, {"depth": columns % 4 > 0}, str(index)))
    writer.finish()
    return path


def test_other_sizes_are_refused_or_cut_and_resized(stores: Path, tmp_path: Path) -> None:
    other = odd(tmp_path / "odd", (64, 128))
    parts = (str(stores / "shapes") + ",labels=depth", str(other))
    with pytest.raises(
        ValueError, match=r"different sizes, shapes 32x48, odd 64x128, streets 64x128: .*--data.size 32x48, or prepare"
    ):
        Mixed((*parts, "streets,train=999999")).preview()  # before anything is rendered
    store = Mixed(parts, size=SIZE).open()["train"]
    batch = store.gather([12], ("depth",), CPU)
    value, valid = batch.targets["depth"]
    # 64x128 is cropped to 64x96 at its center and halved: pixel x comes from the columns 16 + 2x and 17 + 2x.
    expected = 16 + 2 * np.arange(48)
    assert np.allclose(batch.image[0, 0, 5].numpy()[1:-1] * 255, expected[1:-1] + 0.5, atol=0.02)
    assert value[0, 0, 0].tolist() == (1.0 + expected + 1).tolist()
    assert valid[0, 0].tolist() == ((expected + 1) % 4 > 0).tolist()
    assert torch.equal(
        store.gather([3], (), CPU).image, Store.open(stores / "shapes", "train").gather([3], (), CPU).image
    )


def test_relative_and_metric_depth_do_not_mix(stores: Path, tmp_path: Path) -> None:
    other = odd(tmp_path / "odd", SIZE, metric=False)
    with pytest.raises(
        ValueError, match=r"odd: label 'depth': its depth is relative, but metric in other data.*leave one"
    ):
        Mixed((f"{stores / 'shapes'}", str(other))).preview()


# -- arguments -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "part",
    [
        MixedPart("a/b"),
        MixedPart(Packed(Path("a, b=c")), share=0.25, labels=("depth", "normals"), validate=()),
        MixedPart(Packed(Path("streets")), classes="wall:building+rider:"),
        MixedPart(Packed(Path("a")), share=1 / 3),
        MixedPart(Streets(train=8, size=(32, 64), seed=3), share=0, validate=("semseg",)),
    ],
)
def test_a_part_is_its_words(part: MixedPart) -> None:
    again = MixedPart.parse(str(part))
    assert again == replace(part, data=part.source) and str(again) == str(part)
    mixed = Mixed.of_parts(part, MixedPart("other"), images=9)
    experiment = Experiment(data=mixed)
    assert parse_yaml(dump(experiment), "text", Experiment) == experiment
    assert Mixed((part, "other"), images=9) == mixed  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ((), r"data\.parts is empty: .*--data\.parts stores/camvid"),
        (("classes,shares=2",), r"there is no 'shares'; did you mean share"),
        (("classes,share=2,share=3",), "gives a setting twice"),
        (("classes,share=-1",), r"share is -1\.0: it must be"),
        (("classes,share=70%",), "share is '70%': it must be a number, such as 0.7"),
        (("classes,train=8",), "train is a setting of generated streets"),
        (("streets,train=eight",), "train is 'eight': it must be a whole number"),
        (("classes,labels=depths",), "has no labels 'depths'"),
        (("classes,share=0",), "no store has a share above 0"),
        (("classes,validate=",), "no store has a split val and labels to measure"),
        (("classes", "fine,labels=semseg,classes=walls:house"), "fine: label 'semseg': there is no class 'walls'"),
        (("nowhere",), "nowhere is not there"),
    ],
)
def test_parts_that_are_none(stores: Path, parts: tuple[str, ...], message: str) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        Mixed(tuple(part if part.startswith("streets") else f"{stores}/{part}" for part in parts)).open()


def test_a_part_that_teaches_nothing_is_said(stores: Path, tmp_path: Path) -> None:
    odd(tmp_path / "odd", SIZE)
    store = Mixed((f"{stores}/classes", f"{tmp_path}/odd,labels=,validate=depth", f"{stores}/shapes,share=0")).open()
    assert store["train"].notes[1].startswith("odd has no images to train on or no labels") and len(store["train"]) == 7
    assert list(store["val"].fields) == ["semseg", "depth", "normals"] and len(store["val"]) == 3 + 1 + 4


def test_other_sources_are_no_parts(tmp_path: Path) -> None:
    for source in (Part(tmp_path), Streets(folder=tmp_path)):
        with pytest.raises(ValueError, match="cannot be a part: give a store, or streets without a folder"):
            Mixed.of_parts(MixedPart(source))


# -- whole runs ------------------------------------------------------------------------------------------------------


def experiment(stores: Path, *parts: str, **settings: Any) -> Experiment:
    data = source(stores, *(parts or ("classes", "shapes")), **settings)
    return replace(tiny(stores), data=data, epochs=2, augmentation=Augmentation(flip=True, brightness=0.3))


def test_a_run_on_several_stores(stores: Path, tmp_path: Path) -> None:
    result = runs.train(experiment(stores), tmp_path / "run", quiet=True)
    assert {"semseg/miou", "depth/abs_err", "normals/mean"} <= result.metrics.keys() and result.images == 7
    log = RunFolder(tmp_path / "run").log.read_text()
    assert "classes gives 50 % of the training images, with semseg" in log and "depth is measured on shapes" in log
    rows = RunFolder(tmp_path / "run").metric_rows()
    assert all({"train/loss/semseg", "train/loss/depth", "val/depth/abs_err"} <= row.keys() for row in rows)
    names = np.load(RunFolder(tmp_path / "run").samples())["name"].tolist()
    assert {name.partition("/")[0] for name in names} == {"classes", "shapes"}
    assert runs.evaluate(tmp_path / "run", device="cpu", quiet=True).metrics == result.metrics


def test_metrics_of_a_task_are_those_of_the_stores_that_measure_it(stores: Path, tmp_path: Path) -> None:
    both = experiment(stores, "classes", "fine,classes=wall:house", "shapes")
    run = tmp_path / "run"
    result = runs.train(both, run, quiet=True)
    alone = runs.evaluate(run, data=stores / "shapes", device="cpu", quiet=True)
    assert result.metrics["normals/mean"] == pytest.approx(alone.metrics["normals/mean"])
    assert result.metrics["depth/abs_err"] != pytest.approx(alone.metrics["depth/abs_err"])  # fine has depth too
    chosen = source(stores, "classes", "fine,classes=wall:house,validate=semseg", "shapes")
    other = runs.evaluate(run, data=chosen, device="cpu", quiet=True)
    assert other.metrics["depth/abs_err"] == pytest.approx(alone.metrics["depth/abs_err"])
    assert other.metrics["semseg/miou"] == result.metrics["semseg/miou"]


@pytest.mark.parametrize("stop_at", [1, 3, 6])
def test_a_stopped_run_ends_as_one_that_was_not(
    stores: Path, tmp_path: Path, stop_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = replace(experiment(stores, "classes,share=3", "shapes", images=16), epochs=2)
    whole = runs.train(asked, tmp_path / "whole", quiet=True)
    plain = TrainingStep.__call__

    def stopping(self: TrainingStep, batch: Any, step: int) -> Any:
        result = plain(self, batch, step)
        if step + 1 == stop_at:
            os.kill(os.getpid(), signal.SIGINT)
        return result

    with monkeypatch.context() as patched, pytest.raises(Interrupted):
        patched.setattr(TrainingStep, "__call__", stopping)
        runs.train(asked, tmp_path / "halted", quiet=True)
    halted = runs.train(asked, tmp_path / "halted", resume=True, quiet=True)
    assert halted.metrics == whole.metrics
    assert RunFolder(tmp_path / "whole").weights.read_bytes() == RunFolder(tmp_path / "halted").weights.read_bytes()


def test_two_processes_train_as_one(stores: Path, tmp_path: Path) -> None:
    """With batches of four in which one store has every second image: one or both processes may lack a task."""
    data = Mixed((f"{stores}/classes,share=1", f"{stores}/shapes,share=7"), images=16)
    mixed = replace(tiny(stores), data=data, epochs=2)
    runs.train(mixed, tmp_path / "one", quiet=True)
    train_on_both(mixed, tmp_path / "two")
    one, two = (checkpoint.load(RunFolder(tmp_path / run).checkpoint)["network"] for run in ("one", "two"))
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=1e-4, atol=1e-6)


def test_resuming_with_another_part_is_refused(stores: Path, tmp_path: Path) -> None:
    runs.train(replace(experiment(stores), epochs=1), tmp_path / "run", quiet=True)
    pack(tmp_path / "shapes", train=12, val=4, fields=("depth", "normals"), seed=9)
    other = Mixed((str(stores / "classes"), str(tmp_path / "shapes")))
    with pytest.raises(ValueError, match=r"was trained with other data: the split train in classes\+shapes"):
        runs.train(replace(experiment(stores), data=other), tmp_path / "run", resume=True, quiet=True)
    moved = pack(tmp_path / "elsewhere" / "shapes", train=12, val=4, fields=("depth", "normals"), seed=2)
    same = Mixed((str(stores / "classes"), str(moved)))
    again = replace(experiment(stores), data=same, epochs=2)
    assert isinstance(runs.train(again, tmp_path / "run", resume=True, quiet=True), Result)


def test_a_run_that_is_continued_with_another_mix_says_so(stores: Path, tmp_path: Path) -> None:
    data = source(stores, "classes", "shapes")
    first = replace(experiment(stores), data=data, epochs=1, keep_checkpoint=True)
    runs.train(first, tmp_path / "run", quiet=True)
    other = replace(first, data=source(stores, "classes,share=3", "shapes"), epochs=2)
    runs.train(other, tmp_path / "run", resume=True, quiet=True)
    continued = runs.read_experiment(tmp_path / "run").continued or ""
    assert "data.shares [3.0, 1.0] ([1.0, 1.0] before)" in continued and "epochs 2 (1 before)" in continued
    fewer = replace(other, data=replace(other.data, images=8), epochs=3)
    with pytest.raises(ValueError, match=r"data\.images is 8, and .* was trained with none: a run counts its epochs"):
        runs.train(fewer, tmp_path / "run", resume=True, quiet=True)
    runs.train(replace(first, keep_checkpoint=False), tmp_path / "finished", quiet=True)
    with pytest.raises(ValueError, match=r"is finished, and was trained with other settings \(epochs, data\.shares\)"):
        runs.train(other, tmp_path / "finished", resume=True, quiet=True)


def test_a_task_that_no_store_labels_or_measures_is_refused(stores: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"tasks\.normals: classes\+fine has no field 'normals'"):
        runs.train(experiment(stores, "classes", "fine,classes=wall:house"), tmp_path / "run", quiet=True)
    with pytest.raises(ValueError, match=r"classes\+shapes has no labels 'normals' for the task normals"):
        runs.train(experiment(stores, "classes", "shapes,validate=depth"), tmp_path / "run", quiet=True)


def test_the_range_of_depth_is_chosen_from_all_stores_that_have_it(stores: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    writer = StoreWriter(tmp_path / "near", SIZE, {"train": 3, "val": 1}, {"depth": Depth()}, {"kind": "near"})
    for split, count in (("train", 3), ("val", 1)):
        for index in range(count):
            sample = blocks(rng, 2)
            writer.put(
                split,
                index,
                sample._replace(
                    values={
                        k: v / (100 if k == "depth" else 1) if k == "depth" else v
                        for k, v in sample.values.items()
                        if k in ("image", "depth")
                    }
                ),
            )
    writer.finish()
    store = Mixed((f"{stores / 'classes'}", f"{stores / 'shapes'},labels=depth", str(tmp_path / "near"))).open()[
        "train"
    ]
    asked = replace(tiny(stores), tasks={"semseg": SemanticSegmentation(), "depth": DepthTask()})
    notes: list[str] = []
    fitted = asked.for_data(store, notes.append).tasks["depth"]
    assert fitted.range is not None and fitted.range[0] < 0.1 and fitted.range[1] >= 50
    assert any("range" in note for note in notes)


def test_the_command_line_takes_parts_in_words(stores: Path) -> None:
    start = replace(tiny(stores), tasks={"semseg": SemanticSegmentation(), "normals": SurfaceNormals()})
    words = [f"{stores}/classes,share=2", f"{stores}/shapes,labels=normals"]
    read, *_ = parse("joint", start, ["data:mixed", "--data.parts", *words, "--data.size", "32x48"])
    assert read.data == Mixed(tuple(words), size=(32, 48))
