"""An exported file computes the same as the network, for images of any size, and contains only what it needs."""

import errno
import importlib.util
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import taskscape
from taskscape import export
from taskscape.cli import main
from taskscape.data import Store
from taskscape.export import onnx_file, torch_file
from taskscape.export.data import stores_of
from taskscape.export.deployed import Deployed, size_of, trace
from taskscape.export.examples import cpp, python
from taskscape.export.export import computed
from taskscape.export.exported import Exported
from taskscape.export.formats import confidence_name
from taskscape.export.parity import Parity, compare
from taskscape.export.steadiness import masks_for
from taskscape.export.unpooling import compared
from taskscape.inference.labelers import OnnxLabeler
from taskscape.inference.loading import fitted
from taskscape.losses import Angular, Laplace
from taskscape.modalities.class_sets import CITYSCAPES_2, CITYSCAPES_19
from taskscape.models import CONFIGS, Network
from taskscape.models.segnet.pooling import pool, unpool
from taskscape.run_folder import Result, RunFolder
from taskscape.run_folder.samples import read_samples
from taskscape.runs import load
from taskscape.tasks import Depth, SemanticSegmentation, SurfaceNormals, Task
from taskscape.views import view

TASKS: dict[str, Task] = {
    "semseg": SemanticSegmentation(classes=CITYSCAPES_19),
    "depth": Depth(mean=2.0, std=1.0),
    "normals": SurfaceNormals(),
}
SIZES = [(97, 130), (64, 128), (75, 101), (51, 67)]
DEEPLAB = [name for name in CONFIGS if name.startswith("deeplab")]


def has(*packages: str) -> bool:
    return all(importlib.util.find_spec(name) for name in packages)


def build(name: str, **options: Any) -> Network:
    torch.manual_seed(0)
    config = CONFIGS[name](**options).for_tasks(TASKS)
    return config.build({task: TASKS[task].channels for task in TASKS}).eval()


def images() -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randint(0, 256, (1, 3, *size), dtype=torch.uint8, generator=generator) for size in SIZES]


def answers(network: Network, tasks: dict[str, Task]) -> Iterator[list[Tensor]]:
    for image in images():
        with torch.no_grad():
            final = network.forward(image.float() / 255).final
        yield [task.decode(final[name]) for name, task in tasks.items()]


@pytest.mark.parametrize("name", DEEPLAB)
def test_programs_take_any_size(name: str) -> None:
    network = build(name, encoder="resnet10t")
    expected = list(answers(network, TASKS))  # before its padding is changed for export
    program = trace(Deployed(network, TASKS).eval(), None)
    torch.export.save(program, io.BytesIO())
    module = program.module()
    found = compare(expected, lambda image: list(module(image)), images(), list(TASKS))
    assert all(one.holds for one in found.values()), found


def test_padding_of_tensorflow_is_exported_for_any_size() -> None:
    network = build("deeplab-joint", encoder="tf_efficientnet_lite0", width=32)
    expected = list(answers(network, TASKS))  # before its padding is changed for export
    for values, own in zip(expected, map(Deployed(network, TASKS).eval(), images()), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(values, own, strict=True))
    module = trace(Deployed(network, TASKS).eval(), None).module()
    found = compare(expected, lambda image: list(module(image)), images(), list(TASKS))
    assert all(one.holds for one in found.values()), found


def test_some_tasks_carry_their_own_weights_only() -> None:
    network = build("deeplab-branched", encoder="resnet10t")
    tasks = {"depth": TASKS["depth"]}
    expected = answers(network, tasks)
    program = trace(Deployed(network, tasks).eval(), None)
    sizes = {name: sum(p.numel() for p in branch.parameters()) for name, branch in network.branches.named_children()}
    assert size_of(program) < sum(p.numel() for p in network.parameters()) - sizes["semseg"]
    module = program.module()
    found = compare(expected, lambda image: list(module(image)), images(), ["depth"])
    assert found["depth"].holds


def test_programs_say_how_sure_they_are() -> None:
    tasks = {
        "semseg": SemanticSegmentation(classes=CITYSCAPES_19),
        "depth": Depth(mean=2.0, std=1.0, loss=Laplace()),
        "normals": SurfaceNormals(loss=Angular()),
    }
    torch.manual_seed(0)
    config = CONFIGS["deeplab-joint"](encoder="resnet10t", width=16).for_tasks(tasks)
    network = config.build({name: task.channels for name, task in tasks.items()}).eval()
    spreads = {"semseg": 1.5, "depth": 0.8, "normals": 1.0}
    expected = []
    for image in images():
        with torch.no_grad():
            final = network.forward(image.float() / 255).final
        sure = [task.confidence_of(final[name], spreads[name]) for name, task in tasks.items()]
        expected.append([*(task.decode(final[name]) for name, task in tasks.items()), *(one[:, None] for one in sure)])
    module = trace(Deployed(network, tasks, spreads).eval(), None).module()
    names = [*tasks, *map(confidence_name, spreads)]
    found = compare(expected, lambda image: list(module(image)), images(), names)
    assert all(one.holds for one in found.values()), found
    assert all(one.min() >= 0 and one.max() <= 1 for values in expected for one in values[len(tasks) :])


def test_what_cannot_say_how_sure_it_is_is_named(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none of depth, normals predicts a confidence"):
        export.export(run, "torch", tmp_path, tasks=["depth", "normals"], confidence=True)


@pytest.mark.parametrize("form", list(export.FORMATS))
def test_confidence_is_an_output(form: str, run: Path, tmp_path: Path) -> None:
    if not has(*export.FORMATS[form].NEEDS):
        pytest.skip("needs the extra export")
    done = export.export(run, form, tmp_path, tasks=["semseg", "depth"], confidence=True)
    assert list(done.parity) == ["semseg", "depth", "semseg.confidence"]
    assert all(one.holds for one in done.parity.values())
    about = json.loads((tmp_path / "about.json").read_text("utf-8"))["outputs"]["semseg.confidence"]
    assert (about["of"], about["unit"], about["calibrated"]) == ("semseg", "0..1", False)
    assert about["title"] == "probability that the class is right"
    assert "`semseg.confidence` | probability that the class is right, not calibrated" in done.path.with_name(
        "model-card.md"
    ).read_text("utf-8")
    image = np.random.default_rng(0).integers(0, 256, (45, 61, 3), np.uint8)
    _, _, sure = export.FORMATS[form].opened(done.path)(torch.from_numpy(image).permute(2, 0, 1)[None])
    expected = taskscape.load(run, native_resolution=True, confidence=True, device="cpu").predict(image)
    assert sure.shape == (1, 1, 45, 61)
    assert np.allclose(sure[0, 0], expected.confidence["semseg"], atol=0.005)  # the prediction is computed in bfloat16
    if form == "onnx":
        labeler = OnnxLabeler(done.path, ())
        assert labeler.tasks.keys() == {"semseg", "depth"}
        assert labeler.says_confidence("semseg") and not labeler.says_confidence("depth")
        label = labeler.predict(torch.from_numpy(image).permute(2, 0, 1)[None] / 255)["semseg"].confidence
        assert label is not None and torch.allclose(label, sure[:, 0])
    photo = Path(taskscape.__file__).parent / "released" / "street.jpg"
    command = [sys.executable, "-I", str(tmp_path / "example.py"), str(photo), str(tmp_path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "street.semseg.confidence.png: probability that the class is right, 0..1, from 0" in said


@pytest.fixture(scope="module")
def exported(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return export.export(run, "torch", tmp_path_factory.mktemp("exported"), tasks=["semseg", "depth"])


def test_a_run_becomes_a_file(exported: Exported) -> None:
    about = json.loads(exported.path.with_name("about.json").read_text("utf-8"))
    assert about["outputs"]["semseg"]["modality"]["classes"]["classes"] == ["background", "foreground"]
    assert about["outputs"]["depth"]["unit"] == "meter" and about["input"]["shape"] == [1, 3, "height", "width"]
    extra = {"taskscape.json": ""}
    module = torch.export.load(exported.path, extra_files=extra).module()
    assert json.loads(extra["taskscape.json"]) == about
    ids, meters = module(torch.zeros(1, 3, 45, 61, dtype=torch.uint8))
    assert ids.shape == (1, 45, 61) and meters.shape == (1, 1, 45, 61)


def test_one_size(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["export", str(run), "--to", "torch", "--size", "32", "48", "--out", str(tmp_path)])
    said = capsys.readouterr().out
    for words in ("model.pt2", "100.000 % of the pixels have the same class", "model-card.md", "ms with this file, "):
        assert words in said, words
    module = torch.export.load(tmp_path / "model.pt2").module()
    assert module(torch.zeros(1, 3, 32, 48, dtype=torch.uint8))[0].shape == (1, 32, 48)
    with pytest.raises(Exception, match="48"):
        module(torch.zeros(1, 3, 32, 64, dtype=torch.uint8))


def test_a_file_that_computes_something_else_is_not_written(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = torch_file.opened

    def wrong(path: Path) -> Any:
        compute = opened(path)
        return lambda image: [values * 1.001 if values.is_floating_point() else values for values in compute(image)]

    monkeypatch.setattr(torch_file, "opened", wrong)
    with pytest.raises(ValueError, match=r"it computes different values from the network: depth: largest difference"):
        export.export(run, "torch", tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", [KeyboardInterrupt, OSError, RuntimeError])
def test_an_earlier_export_stays_where_one_fails(
    kind: type[BaseException], run: Path, exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "exported"
    shutil.copytree(exported.path.parent, folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def stopped(job: Any, path: Path) -> None:
        path.write_bytes(b"half")
        raise kind(errno.ENOSPC, "full")

    monkeypatch.setattr(torch_file, "write", stopped)
    expected = ValueError if kind is RuntimeError else kind
    with pytest.raises(expected) as raised:
        export.export(run, "torch", folder, tasks=["depth"])
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    if kind is not KeyboardInterrupt:
        assert str(folder / "model.pt2") in str(raised.value)
    with pytest.raises(expected):
        export.export(run, "torch", tmp_path / "new" / "folder", tasks=["depth"])
    assert not (tmp_path / "new").exists()


def test_another_format_has_a_folder_of_its_own(run: Path, exported: Exported) -> None:
    folder = exported.path.parent
    with pytest.raises(ValueError, match=r"has an export of --to torch, whose about.json.* --out"):
        export.export(run, "onnx", folder)


def test_what_is_wrong_is_said_at_once(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="did you mean onnx"):
        export.export(run, "onx", tmp_path)
    with pytest.raises(ValueError, match="did you mean depth"):
        export.export(run, "torch", tmp_path, tasks=["dept"])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"needs onnx, onnxscript, onnxruntime: pip install 'taskscape\[export\]'"):
        export.export(run, "onnx", tmp_path)
    assert not list(tmp_path.iterdir())


def test_parity_is_relative_and_of_the_worst_image() -> None:
    one, other = torch.tensor([[10.0, -20.0]]), torch.tensor([[10.0, -20.002]])
    found = compare([[one]], lambda image: [other], [torch.empty(0)], ["depth"])["depth"]
    assert found.largest == pytest.approx(1e-4, rel=0.01) and not found.whole
    ids = torch.tensor([[1, 2, 3, 4]])
    found = compare([[ids]], lambda image: [ids.flip(1)], [torch.empty(0)], ["semseg"])["semseg"]
    assert found == Parity(1.0, 1.0, whole=True) and not found.holds
    files = iter([torch.full_like(one, torch.nan), one])
    found = compare([[one], [one]], lambda image: [next(files)], [torch.empty(0)] * 2, ["depth"])["depth"]
    assert not found.agrees  # the second image does not hide the first
    with pytest.raises(ValueError, match=r"is \(1, 3\) instead of \(1, 4\)"):
        compare([[ids]], lambda image: [ids[:, :3]], [torch.empty(0)], ["semseg"])


def test_what_stands_beside_a_file(run: Path, store: Path, exported: Exported) -> None:
    done, folder = exported, exported.path.parent
    assert done.measured is not None and done.measured.images == len(Store.open(store, "val"))
    assert done.measured.network == done.measured.file
    assert done.measured.network["semseg/miou"] == pytest.approx(
        Result.load(run / "result.json").metrics["semseg/miou"], abs=1
    )
    report = json.loads((folder / "parity.json").read_text("utf-8"))
    assert report["tasks"]["depth"]["unit"] == "meter" and report["tasks"]["semseg"]["same_class"] == 1
    assert report["metrics"]["file"].keys() == dict(done.measured.file).keys()
    assert report["pictures"] == done.pictures > 5
    about = json.loads((folder / "about.json").read_text("utf-8"))
    classes = about["outputs"]["semseg"]
    shown = view(SemanticSegmentation(classes=CITYSCAPES_2).modality)
    assert dict(zip(classes["classes"], map(tuple, classes["colors"]["palette"]), strict=True)) == shown.classes
    card = (folder / "model-card.md").read_text("utf-8")
    for words in (
        "model.pt2",
        "mIoU",
        "deeplab-branched",
        "`depth` | depth | meter",
        "Compared with the network",
        "## Licenses",
    ):
        assert words in card, words
    assert "normals" not in card


@pytest.mark.parametrize("form", list(export.FORMATS))
def test_files_for_runtimes(form: str, run: Path, tmp_path: Path) -> None:
    if not has(*export.FORMATS[form].NEEDS):
        pytest.skip("needs the extra export")
    tasks = ["depth", "normals"]
    done = export.export(run, form, tmp_path, tasks=tasks)
    assert done.parity.keys() == set(tasks) and all(one.holds for one in done.parity.values())
    model = load(run, "cpu")
    branches = dict(model.network.get_submodule("branches").named_children())
    weights, left_out = (sum(p.numel() for p in part.parameters()) for part in (model.network, branches["semseg"]))
    assert left_out > 0.2 * weights and done.bytes < 4.2 * (weights - left_out)
    photo = Path(taskscape.__file__).parent / "released" / "street.jpg"
    command = [sys.executable, "-I", str(tmp_path / "example.py"), str(photo), str(tmp_path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "street.depth.png: depth, meter" in said
    file = export.FORMATS[form].opened(done.path)
    resized = Image.open(photo).convert("RGB").resize((57, 32), Image.Resampling.BILINEAR)
    values = file(torch.from_numpy(np.array(resized)).permute(2, 0, 1)[None])
    for name, value in zip(tasks, values, strict=True):
        array = model.tasks[name].modality.to_array(value)[0]
        expected = fitted(view(model.tasks[name].modality), name, read_samples(run / "samples.npz")).colorize(array)
        with Image.open(tmp_path / f"street.{name}.png") as picture:
            small = np.asarray(picture.resize((57, 32), Image.Resampling.NEAREST))
            assert picture.size == Image.open(photo).size
        assert np.abs(small.astype(int) - expected).max() <= 2  # steps of the scale
    deep = tmp_path / "deep.png"
    Image.fromarray(np.full((32, 57), 40_000, np.uint16)).save(deep)
    refused = subprocess.run([*command[:3], str(deep), str(tmp_path)], capture_output=True, text=True)
    assert refused.returncode == 1 and "more than 8 bits" in refused.stderr


OPENED = """
import faulthandler, os, signal, sys
import torch
faulthandler.enable()
import openvino
from openvino import opset13
from pathlib import Path
from taskscape.export import openvino_file

x = opset13.parameter([1, 3, 4, 4], openvino.Type.u8)
path = Path(sys.argv[1]) / "model.xml"
openvino.save_model(openvino.Model([opset13.relu(x)], [x]), path)
first, second = openvino_file.opened(path), openvino_file.opened(path)
del first, second
signal.signal(signal.SIGTERM, lambda *_: print("handled"))
os.kill(os.getpid(), signal.SIGTERM)
"""


@pytest.mark.skipif(not has("openvino"), reason="needs the extra export")
def test_signals_are_handled_after_files_were_opened(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", OPENED, str(tmp_path)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr


def test_only_data_that_is_unchanged_is_at_hand(run: Path, store: Path, tmp_path: Path) -> None:
    model = load(run, "cpu")
    assert stores_of(RunFolder(run), model, None).keys() == {"train", "val"}
    assert stores_of(RunFolder(tmp_path), model, store)["val"].path == store
    known = json.loads(RunFolder(run).data.read_text("utf-8"))
    known["val"]["fingerprint"] = "other"
    RunFolder(tmp_path).data.write_text(json.dumps(known), "utf-8")
    assert stores_of(RunFolder(tmp_path), model, None).keys() == {"train"}
    RunFolder(tmp_path).data.write_text("[", "utf-8")
    assert not stores_of(RunFolder(tmp_path), model, None)


def test_unpooling_by_comparison_is_exact() -> None:
    network = build("segnet-split", widths=(4, 4, 8))
    program = compared(trace(Deployed(network, TASKS).eval(), None))
    assert not [node for node in program.graph.nodes if "unpool" in str(node.target)]
    expected = answers(network, TASKS)
    module = program.module(check_guards=False)  # torch's guards reject sizes for which these views work
    found = compare(expected, lambda image: list(module(image)), images(), list(TASKS))
    assert all(one.holds and one.largest < 1e-6 for one in found.values()), found


def test_ties_are_resolved_as_torch_does() -> None:
    class Pooling(torch.nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            pooled = pool(x)
            return unpool(pooled.features + 1, pooled)

    values = torch.randint(0, 2, (2, 3, 7, 9), generator=torch.Generator().manual_seed(0)).float()
    program = compared(torch.export.export(Pooling(), (values,)))
    assert torch.equal(program.module()(values), Pooling()(values))


def test_pixels_that_hang_on_ties_are_left_out() -> None:
    network = build("segnet-split", widths=(4, 4, 8))
    program = trace(Deployed(network, TASKS).eval(), (32, 48))

    def compute_with(changed: torch.nn.Module) -> Any:
        return computed(TASKS, changed)

    masks = masks_for(program, network, compute_with)
    assert masks is not None
    image = images()[0][:, :, :32, :48]
    shapes = [mask.shape for mask in masks(image)]
    assert shapes == [(1, 32, 48)] * 3
    ids = torch.tensor([[[1, 2], [3, 4]]])
    left_out = torch.tensor([[[True, True], [True, False]]])
    found = compare([[ids]], lambda x: [ids + ~left_out], [image], ["semseg"], lambda x: [left_out])["semseg"]
    assert found.holds and found.compared == 0.75 and "25 % of the pixels depend on a tie" in str(found)
    unsteady = Parity(0.0, 0.0, whole=True, compared=0.4)
    assert unsteady.agrees and not unsteady.holds


def test_programs_without_unpooling_are_compared_everywhere() -> None:
    network = build("deeplab-joint", encoder="resnet10t", width=16)
    program = trace(Deployed(network, TASKS).eval(), (32, 48))
    assert masks_for(program, network, lambda changed: computed(TASKS, changed)) is None
    assert compared(program) is program


@pytest.mark.skipif(not has(*onnx_file.NEEDS), reason="needs the extra export")
@pytest.mark.parametrize("name", ["adaptive-depth", "transformer", "cross-attention"])
def test_adaptive_bins_become_onnx(name: str, tmp_path: Path) -> None:
    tasks = {"depth": Depth(representation="meters", mean=0.0, std=1.0)}
    torch.manual_seed(0)
    network = CONFIGS[name](encoder="resnet10t").for_tasks(tasks).build({"depth": 1}).eval()
    job: Any = SimpleNamespace(program=trace(Deployed(network, tasks).eval(), None), outputs=["depth"], about={})
    onnx_file.save(job, tmp_path / "model.onnx")
    own, file = computed(tasks, network), onnx_file.opened(tmp_path / "model.onnx")
    found = compare(map(own, images()), file, images(), ["depth"])["depth"]
    assert found.holds and found.largest < 1e-5, found


@pytest.mark.parametrize("form", list(export.FORMATS))
def test_examples_are_short(form: str) -> None:
    example = python(form)
    assert len(example.splitlines()) <= 40 and "import taskscape" not in example and "{" + "RUN" not in example
    compile(example, "example.py", "exec")


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
@pytest.mark.parametrize("form", ["onnx", "openvino"])
def test_examples_in_cpp_compile(form: str, tmp_path: Path) -> None:
    """ONNX Runtime's headers come from a system package (libonnxruntime-dev), or from ONNXRUNTIME_INCLUDE."""
    if form == "openvino":
        found = importlib.util.find_spec("openvino")
        places = [Path(str(found.origin)).parent / "include"] if found else []
        header = "openvino/openvino.hpp"
    else:
        named = os.environ.get("ONNXRUNTIME_INCLUDE")
        places = [Path(named)] if named else [Path("/usr/include/onnxruntime"), Path("/usr/include")]
        header = "onnxruntime_cxx_api.h"
    include = next((place for place in places if (place / header).is_file()), None)
    if include is None:
        pytest.skip(f"needs {header}")
    source = tmp_path / "example.cpp"
    source.write_text(cpp(form), "utf-8")
    command = ["g++", "-std=c++17", "-Wall", "-Wextra", "-fsyntax-only", "-isystem", str(include), str(source)]
    subprocess.run(command, check=True)
