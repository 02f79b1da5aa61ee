"""Evaluation of a network on other data than its training data: other classes, another size, fewer labels."""

import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from blocks import pack
from taskscape import runs
from taskscape.cli import main
from taskscape.data import Manifest, Packed, Store, Streets
from taskscape.export import export
from taskscape.modalities import Depth, Normals, Semseg
from taskscape.modalities.class_maps import CLASS_MAPS, class_table, left_out
from taskscape.modalities.class_sets import CAMVID_11, CITYSCAPES_7, CITYSCAPES_19, IGNORE_INDEX, ClassSet
from taskscape.models import SegnetSplitConfig
from taskscape.progress import ProgressCallback
from taskscape.publishing import About, publish
from taskscape.run_folder import Result
from taskscape.runs.other_data import beyond_range
from taskscape.tasks import Depth as DepthTask
from taskscape.tasks import SemanticSegmentation
from taskscape.tasks.merged_classes import MergedClasses
from tiny import tiny

THREE = ClassSet("three", ("wall", "house", "sky"), ((0, 0, 0), (1, 1, 1), (2, 2, 2)))
TWO = ClassSet("two", ("building", "sky"), ((0, 0, 0), (1, 1, 1)))


def test_cityscapes_to_camvid_is_as_stated() -> None:
    expected = {
        "wall": "building", "terrain": "tree", "vegetation": "tree", "traffic light": "sign", "traffic sign": "sign",
        "truck": "car", "bus": "car", "train": "car", "person": "pedestrian", "rider": "bicyclist",
        "motorcycle": "bicyclist", "bicycle": "bicyclist",
    }  # fmt: skip
    for how in ("cityscapes-to-camvid", ""):
        table = class_table(CITYSCAPES_19, CAMVID_11, how)
        became = {name: CAMVID_11.classes[table[id_]] for id_, name in enumerate(CITYSCAPES_19.classes)}
        assert became == {name: expected.get(name, name) for name in CITYSCAPES_19.classes}
        assert (table[19:] == IGNORE_INDEX).all() and not left_out(CITYSCAPES_19, table)


def test_classes_are_mapped_by_name() -> None:
    table = class_table(THREE, TWO)
    assert (
        table[:4].tolist() == [IGNORE_INDEX, IGNORE_INDEX, 1, IGNORE_INDEX]
        and left_out(THREE, table) == THREE.classes[:2]
    )
    assert class_table(THREE, TWO, "wall:building+house:building")[:3].tolist() == [0, 0, 1]
    assert class_table(THREE, TWO, "house:building+sky:")[:3].tolist() == [IGNORE_INDEX, 0, IGNORE_INDEX]


def test_names_are_the_same_in_every_form() -> None:
    """In any case, with spaces, _ or -; the exact name comes first, and two similar names match none."""
    mine = ClassSet("mine", ("Sky", "traffic_light", "Car", "car"), ((0, 0, 0),) * 4)
    other = ClassSet("other", ("car", "Traffic-Light", "sky"), ((0, 0, 0),) * 3)
    assert class_table(mine, other)[:4].tolist() == [2, 1, 0, 0]
    assert class_table(other, mine)[:3].tolist() == [3, 1, 0]
    assert class_table(mine, other, "TRAFFIC LIGHT:Sky+Sky:")[:4].tolist() == [IGNORE_INDEX, 2, 0, 0]
    assert class_table(ClassSet("upper", ("CAR", "sky"), ((0, 0, 0),) * 2), mine)[:2].tolist() == [IGNORE_INDEX, 0]


def test_pairs_of_names_with_the_signs_of_pairs() -> None:
    odd = ClassSet("odd", ("road: wet, new", "road", "sky+clouds", "größe"), ((0, 0, 0),) * 4)
    text = "road: wet, new:road+sky+clouds:sky+clouds+größe:"
    assert class_table(odd, odd, text)[:4].tolist() == [1, 1, 2, IGNORE_INDEX]
    with pytest.raises(ValueError, match=r"classes 'road: wet, new': 'road: wet, new' is neither a pair of names"):
        class_table(odd, odd, "road: wet, new")


def test_known_maps_hold_for_classes_of_these_names() -> None:
    """In another order without any argument, and for some of them with the name of the map."""
    expected = dict(zip(CITYSCAPES_19.classes, class_table(CITYSCAPES_19, CAMVID_11)[:19].tolist(), strict=True))
    names = CITYSCAPES_19.classes[::-1]
    turned = ClassSet("turned", tuple(name.replace(" ", "_") for name in names), CITYSCAPES_19.palette)
    assert class_table(turned, CAMVID_11)[:19].tolist() == [expected[name] for name in names]
    some = ClassSet("some", ("wall", "rider", "car"), ((0, 0, 0),) * 3)
    few = class_table(some, CAMVID_11, "cityscapes-to-camvid")
    assert few[:3].tolist() == [expected[name] for name in some.classes] and (few[3:] == IGNORE_INDEX).all()
    assert left_out(some, class_table(some, CAMVID_11)) == ("wall", "rider")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("cityscapes-to-camvid", "goes from the classes 'cityscapes-19', but these are 'three'"),
        ("cityscape-to-camvid", "'cityscape-to-camvid' is neither .*wall:building.*did you mean cityscapes-to-camvid"),
        ("walls:building", "no class 'walls' in 'three'.*wall"),
        ("wall:buildings", "no class 'buildings' in 'two'.*building"),
        ("wall:building+wall:sky", "maps 'wall' twice"),
        ("sky:", "no class of 'three' .*give pairs of names"),
    ],
)
def test_maps_that_are_none(how: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        class_table(THREE, TWO, how)


@pytest.mark.parametrize("name", CLASS_MAPS)
def test_maps_with_a_name_leave_no_class_out(name: str) -> None:
    source, target = CLASS_MAPS[name]
    assert not left_out(source, class_table(source, target, name))


def test_merged_scores_are_sums_of_probabilities() -> None:
    raw = torch.randn(2, 4, 3, 5, generator=torch.Generator().manual_seed(0))
    merged = MergedClasses(((2, 0), (3,), ()))(raw)
    p = raw.softmax(1)
    kept = p[:, [0, 2, 3]].sum(1)
    expected = torch.stack([(p[:, 0] + p[:, 2]) / kept, p[:, 3] / kept, torch.zeros_like(kept)], 1)
    torch.testing.assert_close(merged.softmax(1), expected)
    # Two merged classes win together where neither wins alone.
    alone = torch.tensor([1.0, 0.9, 1.2]).view(1, 3, 1, 1)
    assert alone.argmax(1).item() == 2 and MergedClasses(((0, 1), (2,)))(alone).argmax(1).item() == 0


def test_labels_become_coarser_classes_and_predictions_merge_where_the_network_is_finer() -> None:
    fine = SemanticSegmentation(CITYSCAPES_19)
    task, convert = fine.measured_on("semseg", Semseg(CAMVID_11))
    assert task.modality.classes == CAMVID_11 and convert is not None
    coarse = SemanticSegmentation(CITYSCAPES_7)
    assert coarse.measured_on("semseg", Semseg(CITYSCAPES_19)) == (coarse, None)
    with pytest.raises(ValueError, match="no class of 'three'"):
        SemanticSegmentation(replace(THREE, classes=("a", "b", "c"))).measured_on("semseg", Semseg(TWO))


def test_depth_without_a_scale_has_no_metrics_that_need_one() -> None:
    task, convert = DepthTask(metric=True).measured_on("depth", Depth(metric=False))
    assert convert is None and "abs_err" not in task.metrics().specs
    assert "abs_err" in DepthTask(metric=True).measured_on("depth", Depth())[0].metrics().specs
    with pytest.raises(ValueError, match="holds normals, not depth"):
        DepthTask().measured_on("depth", Normals())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    pack(folder / "fine", train=8, classes=THREE)
    runs.train(replace(tiny(folder / "fine"), epochs=1), folder / "run", quiet=True)
    return folder / "run"


def by_hand(run: Path, store: Store, groups: list[list[int]]) -> float:
    """Return the pixel accuracy of the most probable of these groups of classes."""
    model = runs.load(run, "cpu")
    batch = store.gather(np.arange(len(store)), ("semseg",), torch.device("cpu"))
    p = model.forward(batch.image).final["semseg"].softmax(1)
    ids = torch.stack([p[:, group].sum(1) for group in groups], 1).argmax(1)
    target = batch.targets["semseg"]
    return 100 * (ids == target.value)[target.valid].double().mean().item()


def test_a_store_of_other_classes_and_fewer_labels(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (run / "result.json").read_bytes()
    store = pack(tmp_path / "coarse", classes=TWO, fields=("semseg",), seed=5)
    main(["evaluate", str(run), "--data", str(store), "--classes", "wall:building+house:building", "--device", "cpu"])
    said = " ".join(capsys.readouterr().err.split())
    assert "the task depth is not measured" in said and "probabilities added" in said
    (name,) = {path.stem for path in run.glob("result-coarse-val-*")}
    result = Result.load(run / f"{name}.json")
    assert result.tasks == {"semseg": Semseg(TWO)} and result.data == Store.open(store, "val").manifest.fingerprint
    assert result.metrics["semseg/pixel_accuracy"] == pytest.approx(
        by_hand(run, Store.open(store, "val"), [[0, 1], [2]])
    )
    assert (run / f"{name.replace('result', 'samples')}.npz").exists() and (run / "result.json").read_bytes() == before
    assert result.classes == "wall:building+house:building"
    again = runs.evaluate(run, data=Packed(store), classes="house:building", device="cpu", quiet=True)
    assert again.metrics["semseg/pixel_accuracy"] == pytest.approx(by_hand(run, Store.open(store, "val"), [[1], [2]]))
    plain = runs.evaluate(run, data=Packed(store), device="cpu", quiet=True)
    assert {plain.split, result.split, again.split} == {path.stem[7:] for path in run.glob("result-coarse-*")}
    assert plain.split == "coarse-val" and Result.load(run / f"{name}.json") == result
    main(["report", str(run), "--split", result.split])


def test_results_with_a_known_map_of_classes_have_its_name(tmp_path: Path) -> None:
    pack(tmp_path / "fine", train=8, classes=CITYSCAPES_19, shown=3)
    runs.train(replace(tiny(tmp_path / "fine"), epochs=1), tmp_path / "run", quiet=True)
    store = pack(tmp_path / "coarse", classes=CITYSCAPES_7, shown=3)
    result = runs.evaluate(tmp_path / "run", data=store, classes="cityscapes-to-7", height=16, quiet=True)
    assert result.split == "coarse-val-cityscapes-to-7-height16"


def test_of_a_published_run_only_the_split_is_rendered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKSCAPE_CACHE", str(tmp_path / "own"))
    streets = Streets(train=4, val=2, shifted=2, size=(32, 64), samples=1)
    experiment = replace(tiny(tmp_path), network=SegnetSplitConfig(widths=(4, 8)), data=streets, epochs=1)
    trained = runs.train(experiment, tmp_path / "run", quiet=True)
    publish(tmp_path / "run", tmp_path / "published", About("me/model"))
    complete = runs.evaluate(tmp_path / "published", split="shifted", device="cpu", quiet=True)
    monkeypatch.setenv("TASKSCAPE_CACHE", str(tmp_path / "elsewhere"))
    alone = runs.evaluate(tmp_path / "published", split="shifted", device="cpu", quiet=True)
    (store,) = (path for path in (tmp_path / "elsewhere").iterdir() if path.is_dir())
    assert Manifest.of(store).counts == {"shifted": 2}
    assert alone.split == complete.split == "shifted" and alone.metrics == complete.metrics
    assert complete.baselines and not alone.baselines and trained.baselines


def test_images_are_scaled_for_the_network_and_predictions_scaled_back(run: Path) -> None:
    own = runs.evaluate(run, data=run.parent / "fine", device="cpu", quiet=True)
    assert own.metrics == Result.load(run / "result.json").metrics and own.split == "fine-val"
    half = runs.evaluate(run, data=run.parent / "fine", height=16, device="cpu", quiet=True)
    assert half.size == own.size and half.split == "fine-val-height16" and half.metrics != own.metrics
    same = runs.evaluate(run, data=run.parent / "fine", height=32, device="cpu", quiet=True)
    assert same.metrics == own.metrics
    with pytest.raises(ValueError, match="height is 0"):
        runs.evaluate(run, height=0, device="cpu", quiet=True)


def test_labels_beyond_the_range_of_the_network_are_said(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store.open(run.parent / "fine", "val")
    target = store.gather(range(len(store)), ["depth"], torch.device("cpu")).targets["depth"]
    share = (target.value[:, 0][target.valid] > 20).double().mean().item()
    near = {"depth": DepthTask(min_depth=1.0, max_depth=20.0), "semseg": SemanticSegmentation()}
    (said,) = beyond_range(near, store)
    assert f"depth: {share:.0%} of the labels of " in said and "outside 1 … 20, the range of the network" in said
    assert not list(beyond_range({"depth": DepthTask(min_depth=1.0, max_depth=60.0)}, store))
    experiment = (run / "experiment.yaml").read_text()
    narrow = re.sub(r"max_depth: \S+", "max_depth: 20.0", re.sub(r"min_depth: \S+", "min_depth: 0.5", experiment))
    copy = run.with_name("narrow")
    shutil.copytree(run, copy)
    (copy / "experiment.yaml").write_text(narrow)
    runs.evaluate(copy, device="cpu")
    assert "lie outside 0.5 … 20" in " ".join(capsys.readouterr().err.split())


@dataclass(frozen=True)
class Unmade(Packed):
    """Data that take long to open."""

    name: ClassVar[str] = "unmade"

    def open(self, report: ProgressCallback | None = None) -> dict[str, Store]:
        raise AssertionError("data are made")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"classes": "nonsense"}, "'nonsense' is neither a pair of names, such as wall:building, nor a known map"),
        ({"classes": "walls:building"}, "there is no class 'walls'.*did you mean wall"),
        ({"split": "test"}, "has no split 'test'"),
        ({"height": 0}, "height is 0"),
        ({"tta": "mirored"}, "did you mean mirror"),
        ({"device": "cup"}, "device is 'cup'"),
    ],
)
def test_mistakes_are_found_before_data_are_made(run: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        runs.evaluate(run, **{"data": Unmade(run.parent / "fine"), "device": "cpu", "quiet": True, **settings})


def test_labels_are_compared_before_an_export_makes_data(run: Path, tmp_path: Path) -> None:
    few = pack(tmp_path / "few", classes=THREE, fields=("semseg",))
    with pytest.raises(ValueError, match="few has no labels 'depth' for the task depth"):
        export(run, "torch", tmp_path / "out", data=Unmade(few))
    assert not (tmp_path / "out").exists()


def test_classes_belong_to_tasks_with_classes(run: Path, tmp_path: Path) -> None:
    store = pack(tmp_path / "depths", classes=THREE, fields=("depth",))
    with pytest.raises(ValueError, match="classes is 'wall:sky', and none of depth has classes: leave it out"):
        runs.evaluate(run, data=store, classes="wall:sky", device="cpu", quiet=True)


def test_data_that_nothing_can_be_measured_on(run: Path, tmp_path: Path) -> None:
    store = pack(tmp_path / "other", classes=TWO, fields=("semseg",))
    with pytest.raises(ValueError, match=r"the data of .*other has no split 'test'"):
        runs.evaluate(run, data=store, split="test", device="cpu", quiet=True)
    nothing = pack(tmp_path / "odd", classes=replace(TWO, classes=("a", "b")), fields=("semseg",))
    with pytest.raises(ValueError, match=r"odd: field 'semseg': no class of 'three' .*such as wall:a"):
        runs.evaluate(run, data=nothing, device="cpu", quiet=True)
