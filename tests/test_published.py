"""Published experiments: each recipe has its paper's protocol and parameter count, and trains at small scale."""

import inspect
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

from blocks import pack
from taskscape import models, recipes, runs
from taskscape.commands.recipes import by_group
from taskscape.data import Packed
from taskscape.data.sources import Part
from taskscape.distributed import launch
from taskscape.losses import L1, SILog
from taskscape.modalities.class_sets import CITYSCAPES_19
from taskscape.models import Network
from taskscape.recipes.scale import small_store
from taskscape.run_folder import RunFolder
from taskscape.runs import Experiment
from taskscape.serialization import dump, parse
from taskscape.tasks import Depth
from taskscape.training.optimization import AdamConfig, Poly, Step

LISTED = {
    name: one for group, some in by_group().items() if group not in ("", "photographs") for name, one in some.items()
}
NAMES = list(LISTED)

# -- protocols ---------------------------------------------------------------------------------------------------------

MTAN = (AdamConfig(lr=1e-4), Step(step_size=100, gamma=0.5))
MINISCAPES = (AdamConfig(lr=1e-4, weight_decay=1e-4), Poly(power=0.9, per_epoch=True))
XTASK = AdamConfig(lr=1e-4, betas=(0.9, 0.99))

PROTOCOLS: dict[str, tuple[Any, Any, int, int]] = {  # optimizer, schedule, epochs, batch size; the longest match counts
    "mtan/": (*MTAN, 100, 16),
    "mtan/balancing_": (*MTAN, 200, 8),
    **{f"mtan/{name.removeprefix('mtan/')}": (*MTAN, 200, 2) for name in NAMES if "nyuv2" in name and "mtan/" in name},
    "ladder/": (*MINISCAPES, 16, 4),
    "ladder/rung10": (replace(MINISCAPES[0], lr=5e-5), MINISCAPES[1], 24, 4),
    "adaptive/": (*MINISCAPES, 5, 16),
    **{
        f"adaptive/{name}": (*MINISCAPES, 1, 16)
        for name in ("random", "pretrained", "dilated", "one_epoch", "three", "five")
    },
    **{f"adaptive/{name}": (*MINISCAPES, 3, 16) for name in ("silog_joint", "l1_joint")},
    "adaptive/fully_branched": (replace(MINISCAPES[0], lr=5e-5), MINISCAPES[1], 20, 32),
    "attention/": (*MINISCAPES, 2, 48),
    "attention/segmentation": (*MINISCAPES, 4, 16),
    "attention/joint": (*MINISCAPES, 32, 16),
    "attention/weights_": (*MINISCAPES, 32, 16),
    "attention/branched": (*MINISCAPES, 16, 16),
    "attention/aspp_tokens": (*MINISCAPES, 2, 16),
    "attention/cross_attention": (*MINISCAPES, 3, 48),
    "consistency/": (XTASK, Step(step_size=80, gamma=0.5), 250, 8),
    "consistency/nyuv2": (XTASK, Step(step_size=60, gamma=0.5), 100, 6),
}


@pytest.mark.parametrize("name", NAMES)
def test_protocol(name: str) -> None:
    experiment = recipes.find(name)()
    expected = PROTOCOLS[max((start for start in PROTOCOLS if name.startswith(start)), key=len)]
    assert (experiment.optimizer, experiment.schedule, experiment.epochs, experiment.batch_size) == expected
    assert experiment.precision == "fp32"


@pytest.mark.parametrize("name", NAMES)
def test_the_docstring_says_what_was_published_and_where(name: str) -> None:
    text = recipes.find(name).__doc__
    assert text is not None and "\nSource: " in inspect.cleandoc(text)
    assert LISTED[name].published and LISTED[name].text.endswith(".")


def test_sizes_of_images_and_numbers_are_those_of_the_data() -> None:
    def about(name: str) -> tuple[Any, ...]:
        data: Any = recipes.find(name)().data
        return data.size, data.train, data.val

    assert about("mtan/cityscapes_7") == about("consistency/cityscapes_7") == ((128, 256), 2975, 500)
    assert about("mtan/nyuv2") == about("consistency/nyuv2") == ((288, 384), 795, 654)
    assert {about(name)[1:] for name in NAMES if name.startswith(("ladder", "adaptive", "attention"))} == {
        (20000, 2500)
    }


def test_depth_is_learned_as_published() -> None:
    for name in NAMES:
        depth = recipes.find(name)().tasks.get("depth")
        if not isinstance(depth, Depth):
            continue
        if "cityscapes" in name or "balancing" in name:
            assert depth == Depth(quantity="mtan-cityscapes")
            assert depth.range[0] == pytest.approx(1.8499 / 0.4922, rel=1e-4)
        elif "nyuv2" in name:
            assert depth.raw_is_value and depth.loss == L1()
        elif name.startswith("ladder"):
            rung = int(name.removeprefix("ladder/rung"))
            normalization = ("meters", (27.0727, 29.1264)) if rung < 6 else ("log", (2.8936, 0.8661))
            assert (depth.representation, depth.normalization) == normalization
            assert depth.range == (4.0, 300.0) and depth.loss == L1()
        else:
            loss = SILog(0.15, 1e-5, per_image=name.startswith("adaptive"))
            assert depth.range == (0.1, 300.0) and depth.loss == (L1() if "l1" in name else loss)


def test_tasks_weigh_as_published() -> None:
    def weights(name: str) -> Any:
        return vars(recipes.find(name)().weighting).get("weights")

    for name in NAMES:
        if name.startswith(("ladder", "adaptive")) and len(recipes.find(name)().tasks) == 2:
            assert weights(name) == {"semseg": 0.6, "depth": 0.4}
    assert weights("attention/weights_25") == {"semseg": 0.75, "depth": 0.25}
    assert weights("attention/weights_75") == {"semseg": 0.25, "depth": 0.75}
    assert recipes.mtan.cityscapes_19().weighting == weighting_of("DWAConfig", temperature=2.0)
    assert recipes.consistency.cityscapes_7().weighting == weighting_of("UncertaintyConfig", variant="xtask")
    assert recipes.mtan.cityscapes_7_uncertainty().weighting == weighting_of("UncertaintyConfig", variant="mtan")


def weighting_of(cls: str, **options: Any) -> Any:
    from taskscape import weighting

    return getattr(weighting, cls)(**options)


def test_consistency_as_published() -> None:
    cityscapes: Any = recipes.consistency.cityscapes_7().objective
    nyuv2: Any = recipes.consistency.nyuv2().objective
    truth: Any = recipes.consistency.xtc_cityscapes_7().objective
    assert (cityscapes.weight, cityscapes.target, nyuv2.weight, truth.target) == (0.01, "prediction", 0.0001, "truth")


def test_augmentation_as_published() -> None:
    for name in NAMES:
        augmentation = recipes.find(name)().augmentation
        crop = name.startswith(("ladder", "adaptive", "attention"))
        zoom = name.startswith(("consistency", "mtan/balancing")) or name.endswith("augmented")
        assert augmentation.crop == ((256, 256) if crop else None)
        assert (augmentation.flip, augmentation.scale_choices) == (zoom, (1.0, 1.2, 1.5) if zoom else (1.0,))


def test_evaluation_as_published() -> None:
    for name in NAMES:
        experiment = recipes.find(name)()
        assert experiment.average_last == (10 if "balancing" in name else 0)
        scales = {"adaptive/three": "scales-3", "adaptive/five": "scales-5"}.get(name.partition("_")[0])
        maximum = "-max" if name.endswith("max") else ""
        assert experiment.tta == (scales + maximum if scales else None)
        if name.startswith("ladder"):
            assert experiment.monitor == "grader"


def test_initial_weights_as_published() -> None:
    for name in NAMES:
        network: Any = recipes.find(name)().network
        encoder, pretrained = getattr(network, "encoder", ""), getattr(network, "pretrained", False)
        if name == "adaptive/random_weights":
            assert pretrained is False
        elif name == "ladder/rung0" or name.startswith("consistency"):
            assert not pretrained and encoder in ("resnet34", "resnet18", "resnet50")
        elif encoder:
            assert pretrained is True and encoder.endswith(".tv_in1k")
        assert not name.startswith("consistency") or not network.zero_init_last


def test_last_norms_start_at_one_where_they_are_not_zeroed() -> None:
    def zeroed(**options: Any) -> list[bool]:
        network = models.build("xtask", {"depth": 1}, encoder="resnet18", **options)
        assert isinstance(network, models.XTask)
        return [not norm.weight.any() for norm in network.encoder.modules() if isinstance(norm, torch.nn.BatchNorm2d)]

    assert sum(zeroed()) == 8
    assert not any(zeroed(zero_init_last=False))


def test_poly_per_epoch_changes_between_epochs_only() -> None:
    schedule = Poly(power=0.9, per_epoch=True)
    assert schedule.factor(3.7, 16) == schedule.factor(3.0, 16) == pytest.approx((1 - 3 / 16) ** 0.9)
    assert schedule.factor(16, 16) == 0


# -- parameters --------------------------------------------------------------------------------------------------------

NYU = {"semseg": 13, "depth": 1, "normals": 3}

PARAMETERS = {
    "mtan/single_semseg_nyuv2": 24_981_069,
    "mtan/single_depth_nyuv2": 24_980_289,
    "mtan/single_depth_cityscapes": 24_980_289,
    "mtan/stan_semseg_nyuv2": 38_185_805,
    "mtan/stan_depth_nyuv2": 38_185_025,
    "mtan/split_nyuv2": 25_055_185,
    "mtan/split_deep_nyuv2": 50_807_761,
    "mtan/split_wide_nyuv2": 43_934_161,
    "mtan/cross_stitch_nyuv2": 74_941_804,
    "mtan/dense_nyuv2": 123_699_409,
    "mtan/nyuv2": 44_229_073,
    "mtan/cityscapes_19": 41_207_764,
    "mtan/cityscapes_7": 41_206_984,
    "mtan/resnet_mtan_nyuv2": 92_347_921,
    "ladder/rung0": 21_421_396,
    "ladder/rung1": 21_421_396,
    "ladder/rung2": 21_421_396,
    "ladder/rung3": 26_749_396,
    "ladder/rung4": 32_142_356,
    "ladder/rung5": 37_095_656,
    "ladder/rung6": 37_095_656,
    "ladder/rung8": 41_701_288,
    "ladder/rung9": 41_965_304,
    "ladder/rung10": 41_965_304,
    "attention/joint": 16_608_132,
    "attention/branched": 22_034_612,
    "attention/adaptive_depth": 16_715_137 + 131_328,
    "attention/decoder_tokens": 16_715_137,
    "consistency/cityscapes_7": 31_553_344,
    "consistency/cityscapes_19": 31_562_560,
    "consistency/single_semseg_cityscapes_7": 24_535_360,
    "consistency/single_depth_cityscapes": 24_534_592,
    "consistency/batch_norm_cityscapes_7": 31_558_976,
    "consistency/wide_cityscapes_7": 42_841_664,
    "consistency/resnet18_cityscapes_7": 21_445_184,
    "consistency/resnet50_cityscapes_7": 40_412_224,
}


def channels(experiment: Experiment) -> Mapping[str, int]:
    classes = {name: task for name, task in experiment.tasks.items() if getattr(task, "classes", 0) is None}
    return {name: NYU[name] if name in classes else task.channels for name, task in experiment.tasks.items()}


def on_paper(experiment: Experiment) -> Network:
    """Return the experiment's network, whose tensors have shapes but no values."""
    with torch.device("meta"):
        return experiment.network.for_tasks(experiment.tasks).from_scratch().build(channels(experiment))


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters(name: str) -> None:
    network = on_paper(recipes.find(name)())
    assert sum(p.numel() for p in network.parameters() if p.requires_grad) == PARAMETERS[name]
    printed = LISTED[name].published
    if "parameters" in printed and "left out" not in printed:
        assert f"{PARAMETERS[name]:,} parameters" in printed


# -- small scale -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_small_scale_shrinks_what_costs_time_and_nothing_else(name: str) -> None:
    whole = recipes.find(name)()
    small = recipes.small(whole)
    data: Any = small.data
    assert data.train <= 240 and small.epochs == 6 and small.batch_size <= 8 and "scale small" in (small.note or "")
    assert small.network == whole.network.from_scratch()
    for field in ("tasks", "objective", "weighting", "optimizer", "monitor", "precision"):
        assert getattr(small, field) == getattr(whole, field)
    for share in (0.0, 0.3, 0.7):
        factor = whole.schedule.factor(share * whole.epochs, whole.epochs)
        if not isinstance(small.schedule, Poly):
            assert small.schedule.factor(share * small.epochs, small.epochs) == pytest.approx(factor)
    assert parse(dump(small), "small.yaml", Experiment) == small
    assert parse(dump(whole), "whole.yaml", Experiment) == whole


@pytest.fixture(scope="module")
def streetlike(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a packed store of four training and two validation images with three of the 19 classes."""
    return pack(tmp_path_factory.mktemp("published") / "store", 4, 2, CITYSCAPES_19, shown=3)


def test_a_store_is_shrunk_too(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKSCAPE_CACHE", str(tmp_path))
    whole, part = Packed(store), Part(store, train=3, val=100)
    experiment = replace(recipes.mtan.cityscapes_2(), data=whole)
    assert recipes.small(experiment).data == Part(store) == small_store(small_store(whole))
    stores, original = part.open(), whole.open()
    assert part.preview().counts == {"train": 3, "val": 6} == {split: len(one) for split, one in stores.items()}
    assert stores["train"].names == [original["train"].names[row] for row in (0, 4, 9)]
    for (split, row), of_whole in {("train", 2): 9, ("val", 3): 3}.items():
        small, large = (one[split].stored(i) for one, i in ((stores, row), (original, of_whole)))
        assert small.keys() == {"image", "depth", "normals", "semseg"}
        for name, array in small.items():  # including the image, which consists of blocks of 8 pixels
            assert np.array_equal(array, large[name][::2, ::2]), name


NARROW: dict[str, Any] = {"widths": (4, 4, 8), "encoder": "test_resnet", "rates": (1,)}
"""Settings that make a network small without changing its structure."""


@pytest.mark.parametrize("name", NAMES)
def test_trains_at_small_scale(name: str, streetlike: Path) -> None:
    small = recipes.small(recipes.find(name)())
    narrow = {field: value for field, value in NARROW.items() if hasattr(small.network, field)}
    if small.network.name == "resnet-mtan":
        narrow["encoder"] = "resnet18"  # has two blocks per stage
    crop = small.augmentation.crop and (16, 24)
    experiment = replace(
        small,
        network=replace(cast(Any, small.network), **narrow),
        data=Packed(streetlike),
        augmentation=replace(small.augmentation, crop=crop),
        batch_size=2,
        device="cpu",
    )
    experiment.check()
    fabric = launch("cpu")
    stores = runs.open_data(experiment, fabric)
    trainer = runs.assemble(experiment.for_data(stores["train"]), stores, fabric, RunFolder(Path(os.devnull)))
    before = [p.detach().clone() for p in trainer.network.parameters()]
    result = trainer.training_step(next(iter(trainer.train_data.epoch(0))), 0)
    assert set(result.losses) == set(experiment.tasks) and all(loss.isfinite() for loss in result.losses.values())
    assert any(not torch.equal(p, old) for p, old in zip(trainer.network.parameters(), before, strict=True))
