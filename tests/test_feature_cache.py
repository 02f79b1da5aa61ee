"""Cached features of a frozen encoder: the same losses, bounded file sizes, and errors that name the setting."""

import math
import shutil
import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from blocks import pack
from taskscape import runs
from taskscape.data import Augmentation
from taskscape.data.augment import Sensor
from taskscape.models import (
    DeeplabBranchedConfig,
    DeeplabFullyBranchedConfig,
    DeeplabPlainConfig,
    DPTConfig,
    NetworkConfig,
    ResnetMtanConfig,
    SegnetSplitConfig,
)
from taskscape.models.layers.encoder import Encoder
from taskscape.run_folder import RunFolder
from taskscape.runs import Experiment
from taskscape.training import features
from taskscape.training.loop import Trainer
from taskscape.training.optimization import AdamConfig
from test_train import trainer
from tiny import tiny

NETWORKS: dict[str, NetworkConfig] = {
    "dpt": DPTConfig(encoder="test_vit", width=8, freeze="all"),
    "deeplab-branched": DeeplabBranchedConfig(encoder="resnet10t", freeze="all"),
    "deeplab-plain": DeeplabPlainConfig(encoder="test_vit", freeze="all"),
}


@pytest.fixture
def own_store(tmp_path: Path) -> Path:
    return pack(tmp_path / "data" / "blocks")


def experiment(store: Path, name: str = "dpt", **changes: Any) -> Experiment:
    options: dict[str, Any] = {"network": NETWORKS[name], "feature_cache": 1.0, "epochs": 2, "train_metrics": 0.5}
    return replace(tiny(store), **options | changes)


def computed(of: Trainer) -> list[tuple[int, ...]]:
    """Record the images that the backbone computes from now on."""
    seen: list[tuple[int, ...]] = []
    encoder = next(module for module in of.network.modules() if isinstance(module, Encoder))
    encoder.backbone.register_forward_hook(lambda _, inputs, __: seen.append(tuple(inputs[0].shape)))
    return seen


def folders(store: Path) -> list[Path]:
    """Return the folders of cached features of a store."""
    return sorted(path for path in (store.parent / "blocks.features").iterdir() if path.is_dir())


@pytest.mark.parametrize(("network", "flip"), [("dpt", True), ("deeplab-branched", True), ("deeplab-plain", False)])
def test_losses_are_those_of_computed_features(own_store: Path, tmp_path: Path, network: str, flip: bool) -> None:
    """Within float16 rounding, in training, in validation and on training images; weights hardly differ."""
    settings = experiment(own_store, network, augmentation=Augmentation(flip=flip), optimizer=AdamConfig(lr=1e-7))
    logged = {}
    for name, gigabytes in (("kept", 1.0), ("computed", 0.0)):
        run = trainer(replace(settings, feature_cache=gigabytes), tmp_path / name)
        seen = computed(run)
        run.run()
        logged[name] = RunFolder(tmp_path / name).metric_rows()
        if name == "kept":  # each image once, and once mirrored
            assert sum(shape[0] for shape in seen) == 10 * (1 + flip) + 6
    for kept, exact in zip(logged["kept"], logged["computed"], strict=True):
        for column in ("train/loss/semseg", "train/loss/depth", "val/loss/depth", "train/depth/abs_rel"):
            assert float(kept[column]) == pytest.approx(float(exact[column]), rel=2e-3), column


def test_a_second_run_takes_what_is_there(own_store: Path, tmp_path: Path) -> None:
    settings = experiment(own_store)
    trainer(settings, tmp_path / "first").run()
    assert [folder.name.split("-")[0] for folder in folders(own_store)] == ["train", "val"]
    second = trainer(replace(settings, batch_size=5), tmp_path / "second")
    seen = computed(second)
    second.run()
    assert seen == []

    changed = trainer(settings, tmp_path / "third")
    encoder = next(module for module in changed.network.modules() if isinstance(module, Encoder))
    with torch.no_grad():
        next(encoder.backbone.parameters()).add_(0.1)
    seen = computed(changed)
    changed.run()
    assert seen and len(folders(own_store)) == 4


@pytest.mark.parametrize("name", [".", "../blocks", "train/.."])
def test_features_are_next_to_the_store_by_any_of_its_names(
    own_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(own_store)
    trainer(experiment(Path(name), epochs=1), tmp_path / "run").run()
    assert len(folders(own_store)) == 2


def test_only_what_is_read_is_kept_and_its_size_is_bounded(own_store: Path, tmp_path: Path) -> None:
    """For a network that reads the last level, only the last map is kept."""
    of = trainer(experiment(own_store, "deeplab-plain"), tmp_path / "run")
    assert of.features is not None and of.features.read == [3] and of.features.shapes == [(64, 2, 3)]
    assert of.features.bytes == (10 + 6) * 64 * 2 * 3 * 2
    of.run()
    files = list((own_store.parent / "blocks.features").rglob("*.npy"))
    assert 0 <= sum(file.stat().st_size for file in files) - of.features.bytes < 1000
    few = experiment(own_store, "deeplab-plain", feature_cache=1e-6)
    with pytest.raises(ValueError, match=r"feature_cache is 1e-06 GB, and the features of 10 \(train\) \+ 6 \(val\)"):
        trainer(few, tmp_path / "small")


def test_other_images_are_computed_as_ever(own_store: Path, tmp_path: Path) -> None:
    """Features that are handed over apply to that tensor only."""
    of = trainer(experiment(own_store, "dpt"), tmp_path / "run")
    of.run()
    batch = of.val_data.batch(np.arange(3))
    other = batch.image.clone()
    network = of.network.eval()
    with torch.no_grad():
        taken, own = network(batch.image), network(other)
        again = network(other)
    for task in own.final:
        assert torch.equal(own[task], again[task])
        torch.testing.assert_close(taken[task], own[task], rtol=0.02, atol=0.01)
        assert not torch.equal(taken[task], own[task])


def test_a_damaged_file_is_named(own_store: Path, tmp_path: Path) -> None:
    trainer(experiment(own_store), tmp_path / "first").run()
    file = sorted((own_store.parent / "blocks.features").rglob("*.npy"))[0]
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(ValueError, match=r"0\.npy is damaged: delete .*, and it is computed again"):
        trainer(experiment(own_store), tmp_path / "second").run()


def prepared(of: Trainer, report: Callable[[int, int], None] | None = None) -> dict[tuple[str, int], Any]:
    assert of.features is not None
    of.features.prepare(nullcontext(), report)
    return of.features.maps


def test_what_was_stopped_is_continued(own_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was written after the last recorded progress, or is lost of the data before it."""
    whole = {key: np.array(maps) for key, maps in prepared(trainer(experiment(own_store), tmp_path / "whole")).items()}
    shutil.rmtree(own_store.parent / "blocks.features")
    monkeypatch.setattr(features, "_SECONDS", -1.0)

    def killed(done: int, of: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepared(trainer(experiment(own_store), tmp_path / "killed"), killed)
    with (folders(own_store)[0] / "0.npy").open("ab") as file:
        file.write(b"half an ima")
    for lost, images in (False, 2 + 6), (True, 10 + 6):
        if lost:
            shutil.rmtree(folders(own_store)[1])
            (folders(own_store)[0] / "features.json").unlink()
            (folders(own_store)[0] / "1.npy").write_bytes(b"")
        again = trainer(experiment(own_store), tmp_path / f"again-{lost}")
        seen = computed(again)
        maps = prepared(again)
        assert sum(shape[0] for shape in seen) == images
        assert all(np.array_equal(maps[key], values) for key, values in whole.items())


def test_runs_that_begin_together_compute_once(own_store: Path, tmp_path: Path) -> None:
    """The second waits for the first, like runs of a sweep; either may compute the second split."""
    first, second = (trainer(experiment(own_store), tmp_path / name) for name in ("first", "second"))
    seen = computed(first), computed(second)
    other = threading.Thread(target=prepared, args=(second,))

    def meanwhile(done: int, of: int) -> None:
        if not other.ident:
            other.start()
            other.join(0.3)
            assert other.is_alive()

    maps = prepared(first, meanwhile)
    other.join()
    once = sum(math.prod(values.shape[:2]) for (_, index), values in maps.items() if index == 0)
    assert sum(shape[0] for shapes in seen for shape in shapes) == once
    assert second.features is not None
    assert all(np.array_equal(maps[key], values) for key, values in second.features.maps.items())


def test_a_full_disk_is_said(own_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is computed, and if others fill the disk meanwhile."""
    run = trainer(experiment(own_store), tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
        with pytest.raises(OSError, match=r"what the encoder gives for all images takes .* and 1000 bytes are free"):
            prepared(run)
    opened = Path.open

    def full(path: Path, mode: str = "r", *rest: Any, **options: Any) -> Any:
        return opened(Path("/dev/full") if (path.suffix, mode) == (".npy", "wb") else path, mode, *rest, **options)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OSError, match=r"could not write .*train-.*No space left on device; make room and continue"):
        prepared(run)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": DPTConfig(encoder="test_vit", width=8)}, "this encoder is trained; set network.freeze to all"),
        ({"network": DPTConfig(encoder="test_vit", width=8, lora=2)}, "network.lora to 0"),
        ({"network": DeeplabFullyBranchedConfig(encoder="resnet10t", freeze="all")}, "has 3 encoders"),
        ({"network": SegnetSplitConfig(widths=(8, 8, 8))}, "has no encoders"),
        (
            {"augmentation": Augmentation(flip=True, hue=0.1, rotation=5)},
            "augmentation.rotation, augmentation.hue would",
        ),
        ({"augmentation": Augmentation(sensor=Sensor(sharpening=0.1))}, "augmentation.sensor would change the images"),
        ({"compile": True}, "leave out compile"),
    ],
    ids=str,
)
def test_what_changes_features_is_refused_by_name(store: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"feature_cache: .*{message}"):
        experiment(store, **changes).check()
    replace(experiment(store, **changes), feature_cache=0.0, compile=False).check()


def test_a_network_that_reads_inside_its_encoder_is_refused(store: Path, tmp_path: Path) -> None:
    network = ResnetMtanConfig(encoder="resnet18", freeze="all")
    with pytest.raises(ValueError, match="reads inside its encoder"):
        trainer(experiment(store, network=network), tmp_path)


def test_a_whole_run(own_store: Path, tmp_path: Path) -> None:
    """Its result is computed without the cached features, and it can be resumed."""
    settings = experiment(own_store, "deeplab-branched", keep_checkpoint=True)
    result = runs.train(settings, tmp_path / "run", quiet=True)
    best = max(RunFolder(tmp_path / "run").metric_rows(), key=lambda row: float(row["val/semseg/miou"]))
    assert result.metrics["depth/abs_rel"] == pytest.approx(float(best["val/depth/abs_rel"]), rel=0.02)
    log = RunFolder(tmp_path / "run").log.read_text()
    assert "features of 10 images of train are computed once" in log
    runs.train(replace(settings, epochs=3), tmp_path / "run", resume=True, quiet=True)
