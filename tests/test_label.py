"""Pseudo-labels: a model's predictions for the images of a store, with a mask and their origin."""

import hashlib
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from blocks import SIZE, pack
from taskscape import runs
from taskscape.batch import Sample
from taskscape.cli import main
from taskscape.data import Manifest, Packed, Store, StoreWriter
from taskscape.data.check import check
from taskscape.inference.label import KIND, _arrays, _filled, _Predicted, label
from taskscape.inference.labelers import Label, NetworkLabeler, OnnxLabeler
from taskscape.modalities import Depth, Normals, Semseg
from taskscape.modalities.class_sets import CITYSCAPES_2
from taskscape.serialization import unstructure
from taskscape.tasks import Depth as RelativeDepth
from taskscape.tasks import SemanticSegmentation
from tiny import tiny

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    pack(folder / "full", train=8)
    runs.train(replace(tiny(folder / "full"), epochs=12), folder / "run", quiet=True)
    return folder / "run"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Write a store of 8 + 3 images with normals only."""
    return pack(tmp_path / "store", train=8, val=3, fields=("normals",), seed=7)


def gathered(store: Path, field: str, split: str = "train") -> tuple[torch.Tensor, torch.Tensor]:
    opened = Store.open(store, split, verify=True)
    return tuple(opened.gather(range(len(opened)), [field], CPU).targets[field])  # type: ignore[return-value]


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_labels_are_the_predictions_and_the_mask_is_the_confidence(run: Path, store: Path, tmp_path: Path) -> None:
    before = bytes_of(store)
    out = tmp_path / "new"
    main(
        ["label", str(run), str(store), "--out", str(out), "--tasks", "semseg", "--threshold", "0.7", "--device", "cpu"]
    )
    manifest = Manifest.of(out)
    assert manifest.labels == {"normals": Normals(), "semseg": Semseg(CITYSCAPES_2)} and bytes_of(store) == before
    for split in ("train", "val"):
        opened = Store.open(store, split)
        p = runs.load(run, "cpu").forward(opened.gather(range(len(opened)), [], CPU).image).final["semseg"].softmax(1)
        value, valid = gathered(out, "semseg", split)
        assert torch.equal(valid, p.amax(1) >= 0.7) and torch.equal(value[valid], p.argmax(1)[valid])
        assert 0.05 < valid.double().mean() < 0.999
        kept = manifest.source["predicted"]["semseg"]["share with a label"][split]
        assert kept == pytest.approx(valid.double().mean().item(), abs=1e-6)
        for field in ("image", "normals"):  # copied unchanged
            files = (np.load(folder / split / f"{field}-000.npy") for folder in (store, out))
            assert np.array_equal(*files)
    about = manifest.source["predicted"]["semseg"]
    assert about["threshold"] == 0.7 and about["task"] == "semseg" and about["model"] == str(run)
    assert about["sha256"] == hashlib.sha256((run / "best.safetensors").read_bytes()).hexdigest()
    assert manifest.source["kind"] == KIND and manifest.source["labeled"] == "blocks"
    assert manifest.names == Manifest.of(store).names


def test_a_store_without_one_sure_pixel_is_said(
    run: Path, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["label", str(run), str(store), "--tasks", "semseg", "--device", "cpu", "--threshold"]
    main([*words, "1", "--out", str(tmp_path / "no ne")])
    warning = "warning: the model's confidence is below --threshold 1 everywhere: choose a lower one"
    said = capsys.readouterr()
    assert warning in said.err and "warning" not in said.out
    assert f"taskscape data show '{tmp_path / 'no ne'}' writes" in said.out
    main([*words, "0.7", "--out", str(tmp_path / "some")])
    assert "warning" not in capsys.readouterr().out


def test_tasks_that_do_not_say_how_sure_they_are_have_a_label_everywhere(
    run: Path, store: Path, tmp_path: Path
) -> None:
    manifest = label(run, store, tmp_path / "new", tasks=("depth", "semseg"), device="cpu")
    value, valid = gathered(tmp_path / "new", "depth")
    images = Store.open(store, "train").gather(range(8), [], CPU).image
    model = runs.load(run, "cpu")
    assert valid.all() and torch.equal(value, model.tasks["depth"].decode(model.forward(images).final["depth"]))
    thresholds = {name: about["threshold"] for name, about in manifest.source["predicted"].items()}
    assert thresholds == {"depth": None, "semseg": 0.5}
    with pytest.raises(ValueError, match=r"predicts no confidence for depth: leave out --threshold.*laplace"):
        label(run, store, tmp_path / "other", tasks=("depth",), threshold=0.9, device="cpu")


def test_pixels_of_some_classes_have_no_label_of_other_tasks(run: Path, store: Path, tmp_path: Path) -> None:
    words = {"tasks": ("semseg", "depth"), "threshold": None, "without": ("background",), "device": "cpu"}
    manifest = label(run, store, tmp_path / "new", **words)  # type: ignore[arg-type]
    images = Store.open(store, "train").gather(range(8), [], CPU).image
    ids = runs.load(run, "cpu").forward(images).final["semseg"].argmax(1)
    assert torch.equal(gathered(tmp_path / "new", "depth")[1], ids != 0) and (ids == 0).any()
    value, valid = gathered(tmp_path / "new", "semseg")
    assert (value[valid] == 0).any() and manifest.source["predicted"]["depth"]["without"] == ["background"]
    with pytest.raises(ValueError, match="predicts no class 'backgrounds', so leave it out; did you mean background"):
        label(run, store, tmp_path / "other", **words | {"without": ("backgrounds",)})  # type: ignore[arg-type]


def test_a_new_store_is_one_to_train_and_check(run: Path, store: Path, tmp_path: Path) -> None:
    label(run, store, tmp_path / "new", tasks=("semseg", "depth"), device="cpu")
    check(tmp_path / "new")
    again = replace(tiny(tmp_path / "new"), data=Packed(tmp_path / "new"), epochs=1)
    assert "semseg/miou" in runs.train(again, tmp_path / "student", quiet=True).metrics


def test_an_interrupted_run_resumes(run: Path, store: Path, tmp_path: Path) -> None:
    whole = label(run, store, tmp_path / "whole", tasks=("semseg",), device="cpu")

    def interrupt(done: int, total: int) -> None:
        assert total == 11
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        label(run, store, tmp_path / "halted", tasks=("semseg",), device="cpu", report=interrupt)
    with pytest.raises(ValueError, match="holds another store, unfinished: delete it"):
        label(run, store, tmp_path / "halted", tasks=("semseg",), threshold=0.9, device="cpu")
    seen: list[int] = []
    halted = label(
        run, store, tmp_path / "halted", tasks=("semseg",), device="cpu", report=lambda done, _: seen.append(done)
    )
    assert seen == [11] and halted == whole


def test_the_same_command_again_does_nothing_and_ends_what_was_killed_at_its_end(
    run: Path, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = label(run, store, tmp_path / "new", tasks=("semseg",), device="cpu")
    never = {"report": lambda *_: pytest.fail("labeled again")}
    assert label(run, store, tmp_path / "new", tasks=("semseg",), device="cpu", **never) == first
    with pytest.raises(ValueError, match="new holds a store: delete it or choose another folder"):
        label(run, store, tmp_path / "new", tasks=("semseg",), threshold=0.8, device="cpu")
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("taskscape.inference.label._with_shares", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        label(run, store, tasks=("semseg",), device="cpu")
    assert label(run, store, tasks=("semseg",), device="cpu", **never) == first == Manifest.of(store)
    label(run, store, tmp_path / "both", tasks=("depth",), device="cpu")
    label(run, store, tmp_path / "both", tasks=("depth",), device="cpu", **never)


def test_labels_that_are_there_are_kept(run: Path, tmp_path: Path) -> None:
    store = pack(tmp_path / "store", train=6, without_depth=(1, 4), seed=5)
    with pytest.raises(
        ValueError, match=r"already has labels 'depth': use --fill to predict only pixels without a label"
    ):
        label(run, store, tmp_path / "new", tasks=("depth",), device="cpu")
    label(run, store, tmp_path / "new", tasks=("depth",), fill=True, device="cpu")
    (old, known), (new, valid) = gathered(store, "depth"), gathered(tmp_path / "new", "depth")
    assert valid.all() and not known.all() and torch.equal(new[known[:, None]], old[known[:, None]])
    model = runs.load(run, "cpu")
    images = Store.open(store, "train").gather(range(6), [], CPU).image
    predicted = model.tasks["depth"].decode(model.forward(images).final["depth"])
    assert torch.allclose(new[~known[:, None]], predicted[~known[:, None]])
    beside = label(run, store, tmp_path / "beside", tasks=("depth",), suffix="_predicted", device="cpu")
    assert {"depth", "depth_predicted"} <= beside.labels.keys()
    assert torch.equal(gathered(tmp_path / "beside", "depth")[1], known)
    other = pack(tmp_path / "other", fields=("semseg",), classes=replace(CITYSCAPES_2, classes=("a", "b")))
    with pytest.raises(ValueError, match=r"its labels 'semseg' are .*--suffix _predicted"):
        label(run, other, tmp_path / "x", tasks=("semseg",), fill=True, device="cpu")


def test_kept_labels_stay_bit_for_bit(run: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(4, *SIZE, 3)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    writer = StoreWriter(tmp_path / "store", SIZE, {"train": 2, "val": 2}, {"normals": Normals()}, {"kind": "mine"})
    for number, normals in enumerate(vectors):
        known = rng.random(SIZE) < 0.7
        values = {"image": rng.integers(0, 256, (*SIZE, 3), np.uint8), "normals": normals}
        writer.put(("train", "val")[number // 2], number % 2, Sample(values, {"normals": known}, str(number)))
    writer.finish()
    label(run, tmp_path / "store", tmp_path / "new", tasks=("normals",), fill=True, device="cpu")
    old, new = (np.load(tmp_path / name / "train" / "normals-000.npy") for name in ("store", "new"))
    known = old.any(-1)
    assert np.array_equal(new[known], old[known]) and new.any(-1).all() and not known.all()


def test_relative_depth_is_filled_in_the_unit_of_what_is_known() -> None:
    """Each part alone has a median of 1; together they form one map, and the known part is unchanged."""
    true = np.linspace(1, 9, 24, dtype=np.float32).reshape(4, 6)
    near, everywhere, relative = true < 4, np.ones((4, 6), np.bool_), Depth(metric=False)
    stored = relative.pack(true / np.median(true[near]), near)
    filled = _filled(relative.as_label(true, everywhere), everywhere, stored, relative)
    assert np.array_equal(filled[near], stored[near])
    np.testing.assert_allclose(filled / filled[0, 0], true, rtol=1e-6)
    nothing = relative.empty((4, 6))
    assert np.array_equal(
        _filled(relative.as_label(true, everywhere), everywhere, nothing, relative), relative.as_label(true, everywhere)
    )


def test_relative_depth_has_its_median_where_it_is_kept() -> None:
    """Such as without the sky, whose depth is left out."""
    predicted = torch.linspace(1, 9, 48).view(2, 1, 4, 6)
    task, included = RelativeDepth(metric=False), np.arange(48).reshape(2, 4, 6) % 24 < 10
    values, valid = _arrays(_Predicted("depth", task, "depth", None), Label(predicted, None), included)
    assert [np.median(value[mask]) for value, mask in zip(values, valid, strict=True)] == pytest.approx([1, 1])
    np.testing.assert_allclose(values[1] / values[1][0, 0], predicted[1, 0] / predicted[1, 0, 0, 0], rtol=1e-6)


def test_a_store_that_was_changed_is_not_taken_for_the_one_that_was_labeled(run: Path, tmp_path: Path) -> None:
    store, out = tmp_path / "store", tmp_path / "new"
    pack(store, fields=("normals",), seed=1)
    label(run, store, out, tasks=("semseg",), device="cpu")
    with pytest.raises(KeyboardInterrupt):
        label(run, store, tmp_path / "begun", tasks=("semseg",), device="cpu", report=interrupted)
    shutil.rmtree(store)
    pack(store, fields=("normals",), seed=2)  # the same settings and counts, but other content
    for place in (out, tmp_path / "begun"):
        with pytest.raises(ValueError, match="delete it or choose another folder"):
            label(run, store, place, tasks=("semseg",), device="cpu")


def interrupted(done: int, total: int) -> None:
    raise KeyboardInterrupt


def test_a_store_is_changed_only_when_that_is_asked_for(run: Path, store: Path, tmp_path: Path) -> None:
    expected = label(run, store, tmp_path / "new", tasks=("semseg",), device="cpu")
    before = bytes_of(store)
    for arguments in ([], ["--out", str(tmp_path / "b"), "--in-place"]):
        with pytest.raises(SystemExit):
            main(["label", str(run), str(store), *arguments])
    with pytest.raises(ValueError, match="would be replaced"):
        label(run, store, store, device="cpu")
    assert bytes_of(store) == before
    main(["label", str(run), str(store), "--in-place", "--tasks", "semseg", "--device", "cpu"])
    assert Manifest.of(store) == expected and bytes_of(store) == bytes_of(tmp_path / "new")
    left = {path.name for path in tmp_path.iterdir()}
    assert left <= {"store", "new", "b"}


def test_a_replacement_that_was_killed_is_ended(run: Path, store: Path, tmp_path: Path) -> None:
    label(run, store, tmp_path / ".store.labeled", tasks=("semseg",), device="cpu")
    store.rename(tmp_path / ".store.replaced")
    label(run, store, tasks=("depth",), device="cpu")
    assert {"normals", "semseg", "depth"} == Manifest.of(store).labels.keys()
    assert set(Manifest.of(store).source["predicted"]) == {"semseg", "depth"}


def test_another_size_needs_a_word(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blocks.SIZE", (64, 96))
    big = tmp_path / "big"
    from taskscape.data import StoreWriter

    rng = np.random.default_rng(0)
    from blocks import blocks

    writer = StoreWriter(big, (64, 96), {"val": 1}, {}, {"kind": "big"})
    sample = blocks(rng, 2, (64, 96))
    writer.put("val", 0, sample._replace(values={"image": sample.values["image"]}))
    writer.finish()
    with pytest.raises(
        ValueError, match=r"evaluated on images of 32x48, .* 64x96: --height 32 scales them .*--height 64"
    ):
        label(run, big, tmp_path / "new", tasks=("semseg",), device="cpu")
    label(run, big, tmp_path / "new", tasks=("semseg",), height=32, device="cpu")
    value, valid = gathered(tmp_path / "new", "semseg", "val")
    truth = torch.from_numpy(sample.values["semseg"]).long()
    assert value.shape == (1, 64, 96) and (value[0] == truth)[valid[0]].double().mean() > 0.5
    with pytest.raises(ValueError, match="height is 0"):
        label(run, big, tmp_path / "new", tasks=("semseg",), height=0)


def test_words_that_are_wrong(run: Path, store: Path, tmp_path: Path) -> None:
    for settings, message in (
        ({"tasks": ("semsek",)}, "does not predict 'semsek'; did you mean semseg"),
        ({"threshold": 1.5}, r"threshold is 1\.5: it must be at least 0 and at most 1"),
        ({"outputs": ("depth",)}, "--outputs is only for ONNX files"),
    ):
        with pytest.raises(ValueError, match=message):
            label(run, store, tmp_path / "new", device="cpu", **{"tasks": ("semseg",), **settings})  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError):
        label(tmp_path / "nowhere" / "x", store, tmp_path / "new")


# -- ONNX ------------------------------------------------------------------------------------------------------------


class Session:
    """A fake session of onnxruntime: red is the score of the first class, blue of the second, green is meters."""

    fixed: tuple[Any, Any] = ("height", "width")
    at_once = 3
    metadata: ClassVar[dict[str, str]] = {}

    def __init__(self, path: str, providers: list[str]) -> None:
        if Path(path).read_bytes() != b"onnx":
            raise RuntimeError("no model")

    def get_inputs(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(name="image", type="tensor(float)", shape=[self.at_once, 3, *self.fixed])]

    def get_outputs(self) -> list[SimpleNamespace]:
        return [
            SimpleNamespace(name="scores", shape=[3, 2, 32, 48]),
            SimpleNamespace(name="meters", shape=[3, 1, 32, 48]),
        ]

    def get_modelmeta(self) -> SimpleNamespace:
        return SimpleNamespace(custom_metadata_map=self.metadata)

    def run(self, names: None, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        image = inputs["image"]
        assert image.dtype == np.float32 and len(image) == self.at_once and image.max() > 1
        return [image[:, [0, 2]] / 32, 1 + image[:, 1:2]]


@pytest.fixture
def onnx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    module = ModuleType("onnxruntime")
    vars(module)["InferenceSession"] = Session
    monkeypatch.setitem(sys.modules, "onnxruntime", module)
    (tmp_path / "model.onnx").write_bytes(b"onnx")
    return tmp_path / "model.onnx"


def test_an_onnx_file_labels_too(onnx: Path, store: Path, tmp_path: Path) -> None:
    words = ["--outputs", "semseg:cityscapes-2", "far=depth", "--threshold", "0.9", "--tasks", "semseg"]
    main(["label", str(onnx), str(store), "--out", str(tmp_path / "a"), *words])
    label(onnx, store, tmp_path / "b", outputs=("semseg:cityscapes-2", "far=depth"))
    image = Store.open(store, "train").gather(range(8), [], CPU).image * 255
    scores = (image[:, [0, 2]] / 32).softmax(1)
    value, valid = gathered(tmp_path / "a", "semseg")
    assert torch.equal(valid, scores.amax(1) >= 0.9) and torch.equal(value[valid], scores.argmax(1)[valid])
    meters, everywhere = gathered(tmp_path / "b", "far")
    assert everywhere.all() and torch.allclose(meters, 1 + image[:, 1:2])
    assert Manifest.of(tmp_path / "b").fields["far"] == Depth()
    with pytest.raises(ValueError, match="holds a store: delete it"):  # made with other outputs
        label(onnx, store, tmp_path / "b", outputs=("semseg:cityscapes-2", "far=depth:relative"))


def test_a_file_may_say_what_its_outputs_are(
    onnx: Path, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Like those of ``taskscape export``, whose classes are ids."""

    class Deployed(Session):
        def get_outputs(self) -> list[SimpleNamespace]:
            return [
                SimpleNamespace(name="semseg", shape=[3, 32, 48]),
                SimpleNamespace(name="depth", shape=[3, 1, 32, 48]),
            ]

        def run(self, names: None, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
            scores, meters = super().run(names, inputs)
            return [scores.argmax(1), meters]

    outputs = {"semseg": {"modality": unstructure(Semseg(CITYSCAPES_2))}, "depth": {"modality": unstructure(Depth())}}
    with pytest.raises(ValueError, match=r"does not say what its outputs scores, meters are: name them with --outputs"):
        label(onnx, store, tmp_path / "a")
    monkeypatch.setattr(sys.modules["onnxruntime"], "InferenceSession", Deployed)
    monkeypatch.setattr(Session, "metadata", {"taskscape": json.dumps({"outputs": outputs})})
    manifest = label(onnx, store, tmp_path / "a")
    assert manifest.fields["semseg"] == Semseg(CITYSCAPES_2) and manifest.fields["depth"] == Depth()
    image = Store.open(store, "train").gather(range(8), [], CPU).image * 255
    value, valid = gathered(tmp_path / "a", "semseg")
    assert valid.all() and torch.equal(value, image[:, [0, 2]].argmax(1))
    with pytest.raises(ValueError, match="predicts no confidence for semseg"):
        label(onnx, store, tmp_path / "b", tasks=("semseg",), threshold=0.8)
    about = {"outputs": outputs, "most_accurate_height": 16}
    monkeypatch.setattr(Session, "metadata", {"taskscape": json.dumps(about)})
    with pytest.raises(
        ValueError, match=r"of 16 pixels in height, but those of the store are 32x48: --height 16 scales"
    ):
        label(onnx, store, tmp_path / "d")
    label(onnx, store, tmp_path / "d", height=16)
    coarse, everywhere = gathered(tmp_path / "d", "semseg")
    assert everywhere.all() and coarse.shape == value.shape and (coarse == value).double().mean() > 0.5
    assert torch.equal(coarse[:, ::2, ::2], coarse[:, 1::2, 1::2])
    meters, _ = gathered(tmp_path / "d", "depth")
    small = F.interpolate(image[:, 1:2], (16, 24), mode="bilinear", antialias=True)
    assert torch.allclose(meters, F.interpolate(1 + small, (32, 48), mode="bilinear"), atol=1.5, rtol=0.02)
    monkeypatch.setattr(Session, "metadata", {"taskscape": "{}"})
    with pytest.raises(ValueError, match=r"its metadata are damaged .*name its --outputs"):
        label(onnx, store, tmp_path / "c")


@pytest.mark.parametrize("kind", ["float", "float16", "double", "uint8"])
def test_probabilities_and_scores_are_sure_alike_in_every_type(
    onnx: Path, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    class Sure(Session):
        soft = False

        def get_inputs(self) -> list[SimpleNamespace]:
            return [SimpleNamespace(name="image", type=f"tensor({kind})", shape=[None, 3, *self.fixed])]

        def get_outputs(self) -> list[SimpleNamespace]:
            return [SimpleNamespace(name="scores", shape=[None, 19, 32, 48])]

        def run(self, names: None, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
            image = inputs["image"]
            assert image.dtype.name == {"float": "float32", "double": "float64"}.get(kind, kind)
            scores = torch.from_numpy(image[:, :1].astype(np.float32)) * torch.linspace(-0.02, 0.02, 19).view(
                1, -1, 1, 1
            )
            return [(scores.softmax(1) if self.soft else scores).numpy().astype(np.float32)]

    monkeypatch.setattr(sys.modules["onnxruntime"], "InferenceSession", Sure)
    stores = []
    for soft in (False, True):
        monkeypatch.setattr(Sure, "soft", soft)
        label(onnx, store, tmp_path / f"{soft}", outputs=("semseg:cityscapes-19",), threshold=0.2)
        stores.append(gathered(tmp_path / f"{soft}", "semseg"))
    (value, valid), (same, sure) = stores
    assert torch.equal(valid, sure) and torch.equal(value, same) and 0.1 < valid.double().mean() < 0.9


def test_scores_that_are_no_numbers_are_refused(
    onnx: Path, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = ("semseg:cityscapes-2", "depth")
    run = Session.run
    monkeypatch.setattr(Session, "run", lambda *arguments: [run(*arguments)[0] * np.nan, run(*arguments)[1]])
    with pytest.raises(ValueError, match=r"model\.onnx outputs NaN for semseg"):
        label(onnx, store, tmp_path / "a", outputs=outputs)


@pytest.mark.parametrize(
    ("inputs", "shown"),
    [
        ([("image", "tensor(float)", ["b", 32, 48, 3])], r"image: tensor\(float\) \('b', 32, 48, 3\)"),
        ([("image", "tensor(int64)", ["b", 3, 32, 48])], "int64"),
        ([("image", "tensor(float)", [3, 32, 48])], r"\(3, 32, 48\)"),
        ([("image", "tensor(float)", ["b", 1, 32, 48])], "'b', 1, 32"),
        ([("image", "tensor(float)", ["b", 3, "h", "w"]), ("scale", "tensor(float)", [1])], "image.*scale"),
    ],
)
def test_onnx_files_that_take_something_else(
    onnx: Path, monkeypatch: pytest.MonkeyPatch, inputs: list[tuple[str, str, list[Any]]], shown: str
) -> None:
    given = [SimpleNamespace(name=name, type=kind, shape=shape) for name, kind, shape in inputs]
    monkeypatch.setattr(Session, "get_inputs", lambda self: given)
    with pytest.raises(ValueError, match=rf"model\.onnx takes .*{shown}.*: export the network so that its only input"):
        OnnxLabeler(onnx, ("semseg:cityscapes-2", "depth"))


def test_onnx_files_that_do_not_fit(onnx: Path, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both = ("semseg:cityscapes-2", "depth")
    for outputs, message in (
        (("depth",), r"has 2 outputs \(scores, meters\), and --outputs names 1: say what each is"),
        (("semseg:cityscapes-20", "depth"), "no modality 'semseg:cityscapes-20'; did you mean semseg:cityscapes-2"),
        (("semseg:cityscapes-19", "depth"), r"the output for semseg is \(1, 2, 32, 48\)|the output for semseg is"),
        (("depth", "depth"), "has the same name twice"),
    ):
        with pytest.raises(ValueError, match=message):
            label(onnx, store, tmp_path / f"x{message[:3].strip()}", outputs=outputs)
    monkeypatch.setattr(Session, "fixed", (16, 24))
    with pytest.raises(ValueError, match=r"takes images of 16x24, but those of the store are 32x48: .*--size 16 24"):
        label(onnx, store, tmp_path / "y", outputs=both)
    with pytest.raises(ValueError, match="do not support --tta: leave it out"):
        label(onnx, store, tmp_path / "y", outputs=both, tta=True)
    onnx.write_bytes(b"something")
    with pytest.raises(ValueError, match=r"model\.onnx cannot be run by onnxruntime: no model"):
        label(onnx, store, tmp_path / "y", outputs=both)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ValueError, match="needs onnxruntime, which is not installed: pip install onnxruntime"):
        label(onnx, store, tmp_path / "y", outputs=both)


def test_the_classes_of_a_run_may_be_narrow(run: Path) -> None:
    """The labeler uses the tasks of a run unchanged, and calibrated if the run is."""
    labeler = NetworkLabeler(run, device="cpu")
    assert isinstance(labeler.tasks["semseg"], SemanticSegmentation) and labeler.spreads == {}
    labeler.spreads = {"semseg": 4.0}
    image = torch.rand(1, 3, *SIZE, generator=torch.Generator().manual_seed(0))
    wide, plain = labeler.predict(image)["semseg"], NetworkLabeler(run, device="cpu").predict(image)["semseg"]
    assert torch.equal(wide.value, plain.value)
    assert wide.confidence is not None and plain.confidence is not None and (wide.confidence <= plain.confidence).all()


def test_normals_of_scaled_images_have_unit_length(
    onnx: Path, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Directed(Session):
        def get_outputs(self) -> list[SimpleNamespace]:
            return [SimpleNamespace(name="normals", shape=[3, 3, "height", "width"])]

        def run(self, names: None, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
            image = inputs["image"] + 1
            assert image.shape[2:] == (16, 24)
            return [image / np.linalg.norm(image, axis=1, keepdims=True)]

    monkeypatch.setattr(sys.modules["onnxruntime"], "InferenceSession", Directed)
    label(onnx, store, tmp_path / "a", outputs=("normals",), suffix="_p", height=16)
    value, valid = gathered(tmp_path / "a", "normals_p")
    assert valid.all() and torch.allclose(value.norm(dim=1), torch.ones(()), atol=0.01)
