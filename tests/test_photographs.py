"""Recipes for photographs, and the benchmark that trains them without single ingredients."""

import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from blocks import pack
from taskscape import recipes, runs
from taskscape.commands.experiment import parse as of_words
from taskscape.commands.recipes import by_group
from taskscape.data import Augmentation, Packed, Streets
from taskscape.data.sources import Mixed, MixedPart
from taskscape.distributed import launch
from taskscape.modalities.class_sets import CITYSCAPES_19
from taskscape.models import DeeplabJointConfig
from taskscape.run_folder import RunFolder
from taskscape.runs import Experiment
from taskscape.serialization import dump, parse

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import photographs as benchmark

NAMES = list(by_group()["photographs"])


@pytest.fixture(scope="module")
def streetlike(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a packed store of four training and two validation images."""
    return pack(tmp_path_factory.mktemp("photographs") / "store", 4, 2, CITYSCAPES_19, shown=3)


def on_store(experiment: Experiment, store: Path) -> Experiment:
    """Return the experiment on a few small images, with a small network and random weights."""
    network = DeeplabJointConfig(encoder="resnet10t", rates=(1,), width=16)
    crop = experiment.augmentation.crop and (16, 24)
    data: Any = Packed(store)
    if isinstance(experiment.data, Mixed):
        labels = [MixedPart.parse(part).labels for part in experiment.data.parts]
        data = Mixed.of_parts(*(MixedPart(Packed(store), labels=each) for each in labels))
    augmentation = replace(experiment.augmentation, crop=crop)
    return replace(experiment, network=network, data=data, augmentation=augmentation, batch_size=2, device="cpu")


@pytest.mark.parametrize("name", NAMES)
def test_recipe(name: str, streetlike: Path, tmp_path: Path) -> None:
    whole = recipes.find(name)()
    assert parse(dump(whole), "whole.yaml", Experiment) == whole
    network: Any = whole.network
    assert network.pretrained is (whole.start_from is None) and network.encoder == "tf_efficientnet_lite0"
    experiment = on_store(whole, streetlike)
    experiment.check()
    fabric = launch("cpu")
    stores = runs.open_data(experiment, fabric)
    trainer = runs.assemble(experiment.for_data(stores["train"]), stores, fabric, RunFolder(tmp_path))
    result = trainer.training_step(next(iter(trainer.train_data.epoch(0))), 0)
    assert result.losses and all(loss.isfinite() for loss in result.losses.values())


def test_the_network_fits_into_the_package() -> None:
    experiment = recipes.photographs.streets_small()
    channels = {"semseg": 19, "depth": 1, "normals": 3}
    network = experiment.network.from_scratch().build(channels)
    assert 2 * sum(x.numel() for x in network.state_dict().values()) < 12e6  # bytes as float16


def differing(one: Experiment, other: Experiment) -> set[str]:
    """Return the fields in which two experiments differ, including those of the augmentation."""
    found = {field.name for field in fields(one) if getattr(one, field.name) != getattr(other, field.name)}
    if "augmentation" in found:
        a, b = one.augmentation, other.augmentation
        found |= {field.name for field in fields(a) if getattr(a, field.name) != getattr(b, field.name)}
    return found - {"augmentation"}


CHANGES = {
    "imagenet": {"network"},
    "style": {"data"},
    "color": {"brightness", "contrast", "saturation", "hue", "light"},
    "texture": {"texture"},
    "lens": {"lens"},
    "sensor": {"sensor"},
    "zoom": {"scale_range"},
}


def test_an_ablation_leaves_out_what_it_says_and_nothing_else() -> None:
    jobs = benchmark.streets(ablate=True)
    base, nothing = jobs["streets/base"].experiment, jobs["streets/nothing"].experiment
    assert set(CHANGES) == set(benchmark.INGREDIENTS)
    for name, changed in CHANGES.items():
        assert differing(jobs[f"streets/without-{name}"].experiment, base) == changed
        assert differing(jobs[f"streets/only-{name}"].experiment, nothing) == changed
    assert differing(nothing, base) == set().union(*CHANGES.values())
    assert nothing.augmentation == Augmentation(flip=True)
    images = {name: job.experiment.epochs * job.experiment.data.train for name, job in jobs.items()}  # type: ignore[attr-defined]
    of_ablations = {count for name, count in images.items() if name not in ("streets/all", "streets/small")}
    assert of_ablations == {12000}, "all see as many images"


def test_stores_are_where_they_are_said_to_be() -> None:
    places = {"data/camvid": Path("elsewhere")}
    data = recipes.photographs.classes_and_depth().data
    moved = benchmark.at_place(data, places)
    assert isinstance(moved, Mixed) and moved.parts[0].startswith("elsewhere,")
    (streets,) = benchmark.streets_in(moved)
    assert streets == recipes.photographs.streets_to_camvid().data
    assert benchmark.at_place(Packed(Path("data/camvid")), places) == Packed(Path("elsewhere"))
    small = benchmark.tiny(moved)
    assert [type(MixedPart.parse(part).source) for part in small.parts] == [Packed, Streets]  # type: ignore[attr-defined]


def test_camvid_starts_from_the_released_model_unless_it_is_told_not_to() -> None:
    recipe = recipes.photographs.camvid
    for words, start, pretrained in (
        ([], Path("taskscape/streets-small"), False),
        (["--from", "none"], None, False),
        (["--from", "none", "--network.pretrained", "True"], None, True),
    ):
        experiment = of_words("photographs/camvid", recipe(), words).experiment
        assert (experiment.start_from, experiment.network.pretrained) == (start, pretrained)
    jobs = benchmark.camvid(ablate=True)
    assert jobs["camvid/first"].experiment.network.pretrained and not jobs["camvid/first"].experiment.start_from  # type: ignore[attr-defined]


class Done:
    """A process that has ended when it is polled a second time."""

    def __init__(self) -> None:
        self.asked, self.returncode = 0, 0

    def poll(self) -> int | None:
        self.asked += 1
        return self.returncode if self.asked > 1 else None

    def wait(self, timeout: float | None = None) -> int:
        return self.returncode


def test_the_queue_runs_what_is_ready_and_most_urgent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs wait for their streets; a failed one is repeated in float32."""
    place = benchmark.Place(tmp_path / "camvid", tmp_path / "nyuv2", tmp_path, True, "cpu")
    jobs = benchmark.camvid(ablate=False) | benchmark.streets(ablate=False)
    started: list[tuple[str, ...]] = []

    def start(queue: Any, *arguments: str) -> Done:
        started.append(arguments)
        process = Done()
        if arguments[0] == "--render":
            for job in jobs.values():
                for data in benchmark.streets_in(job.experiment.data):
                    place.rendered(data).parent.mkdir(parents=True, exist_ok=True)
                    place.rendered(data).touch()
        elif arguments[1] == "camvid/random" and "fp32" not in arguments:
            process.returncode = 1
        else:
            run = place.run(arguments[1], int(arguments[3]))
            run.mkdir(parents=True, exist_ok=True)
            (run / "found.json").write_text('{"metrics": {"semseg/miou": 1.0}, "total_seconds": 1}')
        return process

    monkeypatch.setattr(benchmark.Queue, "start", start)
    monkeypatch.setattr(benchmark.time, "sleep", lambda seconds: None)
    queue = benchmark.Queue(jobs, [0, 1], place, tmp_path / "result.json", 2, float("inf"), [])
    assert queue.run()
    names = [f"{each[1]} {each[3]}" for each in started if each[0] == "--job"]
    assert names[:3] == ["camvid/streets 0", "camvid/imagenet 0", "streets/small 0"]
    assert len(names) == 2 * len(jobs) + 2, "each once, and the failed ones again"
    assert sum(each[-1] == "fp32" for each in started) == 2
    assert set(queue.results()) == set(jobs)
