"""An exported file computes what the network computes, for images of any size, and carries what it needs only."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import taskscape
from taskscape import export, models, recipes
from taskscape.cli import main
from taskscape.data import Packed
from taskscape.export import torch_file
from taskscape.export.deployed import Deployed, chosen, size_of, trace
from taskscape.export.parity import Parity, compare
from taskscape.modalities.class_sets import CITYSCAPES_19
from taskscape.models import CONFIGS, Network
from taskscape.tasks import Depth, SemanticSegmentation, SurfaceNormals, Task

TASKS: dict[str, Task] = {
    "semseg": SemanticSegmentation(classes=CITYSCAPES_19),
    "depth": Depth(mean=2.0, std=1.0),
    "normals": SurfaceNormals(),
}
SIZES = [(97, 130), (64, 128), (75, 101), (51, 67)]
DEEPLAB = [name for name in CONFIGS if name.startswith("deeplab")]
HAS_ONNX = all(importlib.util.find_spec(name) for name in ("onnx", "onnxscript", "onnxruntime"))


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


@pytest.fixture(scope="module")
def run(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    network = models.DeeplabBranchedConfig(encoder="resnet10t", output_stride=32)
    experiment = replace(
        recipes.three_tasks(), network=network, data=Packed(store), epochs=1, batch_size=4, device="cpu"
    )
    folder = tmp_path_factory.mktemp("runs") / "run"
    taskscape.train(experiment, folder, quiet=True)
    return folder


@pytest.mark.parametrize("name", DEEPLAB)
def test_programs_take_any_size(name: str) -> None:
    network = build(name, encoder="resnet10t")
    expected = answers(network, TASKS)
    module = trace(Deployed(network, TASKS).eval(), None).module()
    found = compare(lambda image: next(expected), lambda image: list(module(image)), images(), list(TASKS))
    assert all(one.holds for one in found.values()), found


def test_padding_of_tensorflow_is_exported_for_any_size() -> None:
    network = build("deeplab-joint", encoder="tf_efficientnet_lite0", width=32)
    expected = list(answers(network, TASKS))  # before its padding is changed for export
    for values, own in zip(expected, map(Deployed(network, TASKS).eval(), images()), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(values, own, strict=True))
    module = trace(Deployed(network, TASKS).eval(), None).module()
    given = iter(expected)
    found = compare(lambda image: next(given), lambda image: list(module(image)), images(), list(TASKS))
    assert all(one.holds for one in found.values()), found


def test_some_tasks_carry_their_own_weights_only() -> None:
    network = build("deeplab-branched", encoder="resnet10t")
    tasks = chosen(TASKS, ["depth"])
    expected = answers(network, tasks)
    program = trace(Deployed(network, tasks).eval(), None)
    sizes = {name: sum(p.numel() for p in branch.parameters()) for name, branch in network.branches.named_children()}
    assert size_of(program) < sum(p.numel() for p in network.parameters()) - sizes["semseg"]
    module = program.module()
    found = compare(lambda image: next(expected), lambda image: list(module(image)), images(), ["depth"])
    assert found["depth"].holds


def test_a_run_becomes_a_file(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["export", str(run), "--to", "torch", "--tasks", "semseg", "depth", "--out", str(tmp_path)])
    said = capsys.readouterr().out
    assert "model.pt2" in said and "100.000 % of the pixels have the same class" in said
    about = json.loads((tmp_path / "about.json").read_text("utf-8"))
    assert about["outputs"]["semseg"]["modality"]["classes"]["classes"] == ["background", "foreground"]
    assert about["outputs"]["depth"]["unit"] == "metre" and about["input"]["shape"] == [1, 3, "height", "width"]
    extra = {"taskscape.json": ""}
    module = torch.export.load(tmp_path / "model.pt2", extra_files=extra).module()
    assert json.loads(extra["taskscape.json"]) == about
    ids, metres = module(torch.zeros(1, 3, 45, 61, dtype=torch.uint8))
    assert ids.shape == (1, 45, 61) and metres.shape == (1, 1, 45, 61)


def test_one_size(run: Path, tmp_path: Path) -> None:
    done = export.export(run, "torch", tmp_path, size=(32, 48))
    module = torch.export.load(done.path).module()
    assert module(torch.zeros(1, 3, 32, 48, dtype=torch.uint8))[0].shape == (1, 32, 48)
    with pytest.raises(Exception, match="48"):
        module(torch.zeros(1, 3, 32, 64, dtype=torch.uint8))


def test_a_file_that_computes_something_else_is_removed(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = torch_file.opened

    def wrong(path: Path) -> Any:
        compute = opened(path)
        return lambda image: [values * 1.001 if values.is_floating_point() else values for values in compute(image)]

    monkeypatch.setattr(torch_file, "opened", wrong)
    with pytest.raises(ValueError, match=r"other values than the network and was removed: depth: largest difference"):
        export.export(run, "torch", tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_is_wrong_is_said_at_once(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="did you mean onnx"):
        export.export(run, "onx", tmp_path)
    with pytest.raises(ValueError, match="did you mean depth"):
        export.export(run, "torch", tmp_path, tasks=["dept"])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        ValueError, match=r"needs onnx and onnxscript and onnxruntime: pip install 'taskscape\[export\]'"
    ):
        export.export(run, "onnx", tmp_path)
    assert not list(tmp_path.iterdir())


def test_parity_is_relative_and_of_the_worst_image() -> None:
    one, other = torch.tensor([[10.0, -20.0]]), torch.tensor([[10.0, -20.002]])
    found = compare(lambda image: [one], lambda image: [other], [torch.empty(0)], ["depth"])["depth"]
    assert found.largest == pytest.approx(1e-4, rel=0.01) and not found.whole
    ids = torch.tensor([[1, 2, 3, 4]])
    found = compare(lambda image: [ids], lambda image: [ids.flip(1)], [torch.empty(0)], ["semseg"])["semseg"]
    assert found == Parity(1.0, 1.0, whole=True) and not found.holds
    with pytest.raises(ValueError, match=r"is \(1, 3\) instead of \(1, 4\)"):
        compare(lambda image: [ids], lambda image: [ids[:, :3]], [torch.empty(0)], ["semseg"])


@pytest.mark.skipif(not HAS_ONNX, reason="needs the extra export")
@pytest.mark.parametrize("tasks", [[], ["depth"]])
def test_onnx_files(run: Path, tmp_path: Path, tasks: list[str]) -> None:
    done = export.export(run, "onnx", tmp_path, tasks=tasks)
    assert all(one.holds for one in done.parity.values())
    assert done.parity.keys() == set(tasks or TASKS)
    taskscape_photo = Path(taskscape.__file__).parent / "released" / "street.jpg"
    shown = subprocess.run(
        [sys.executable, str(tmp_path / "example.py"), str(taskscape_photo)], capture_output=True, text=True, check=True
    ).stdout
    assert "depth: (1, 1, 32, 57), metre" in shown and "taskscape" not in sys.argv


def test_the_example_is_short() -> None:
    from taskscape.export.onnx_file import EXAMPLE

    assert len(EXAMPLE.splitlines()) <= 40 and "import taskscape" not in EXAMPLE
    compile(EXAMPLE, "example.py", "exec")
