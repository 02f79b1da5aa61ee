"""An int8 file is smaller, close to float32 within bounds, and stays in float where necessary."""

import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from taskscape.data import Packed, Streets
from taskscape.export import export
from taskscape.export.int8 import Int8
from taskscape.export.int8.images import COMPARED, RANGES, images_for
from taskscape.export.int8.search import CLASSES, VALUES, Comparison, search

needs_onnx = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("onnx", "onnxscript", "onnxruntime")),
    reason="needs the extra export",
)


@pytest.fixture(scope="module")
def plain(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(run, "onnx", tmp_path_factory.mktemp("plain")).path


def job(**settings: Any) -> Any:
    """Return a job with the settings for choosing images."""
    data = settings.pop("data", Packed(Path("nowhere")))
    model = SimpleNamespace(experiment=SimpleNamespace(data=data))
    return SimpleNamespace(**{"stores": {}, "size": None, "evaluated": (32, 48), "model": model, **settings})


# -- the file ----------------------------------------------------------------------------------------------------------


@needs_onnx
def test_a_file_is_smaller_and_close(run: Path, plain: Path, tmp_path: Path) -> None:
    import onnx
    import onnxruntime

    done = export(run, "onnx", tmp_path, reduction=Int8(seconds=0))
    assert done.path.stat().st_size < 0.4 * plain.stat().st_size
    assert done.reduced is not None and "convolutions" in done.reduced.words
    image = torch.randint(0, 256, (1, 3, 45, 61), dtype=torch.uint8).numpy()
    before, after = (onnxruntime.InferenceSession(str(path)).run(None, {"image": image}) for path in (plain, done.path))
    assert [values.shape for values in before] == [values.shape for values in after]
    assert (before[0] != after[0]).mean() < 0.1
    for one, other in zip(before[1:], after[1:], strict=True):
        assert 0 < np.abs(one - other).mean() < 0.1 * np.abs(one).mean()
    model = onnx.load(done.path)
    about = json.loads({prop.key: prop.value for prop in model.metadata_props}["taskscape"])
    counted = about["int8"]
    assert counted["layers"] == counted["of"] - 3, "the last convolution of each task is float32"
    assert json.loads((tmp_path / "about.json").read_text("utf-8")) == about
    # Layers that decode a task stay in float32.
    made = {output: node for node in model.graph.node for output in node.output}
    decoding = [made[output.name] for output in model.graph.output]
    assert all(made[name].op_type != "DequantizeLinear" for node in decoding for name in node.input if name in made)


@needs_onnx
@pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="needs openvino")
def test_openvino_is_made_of_the_same_file(run: Path, tmp_path: Path) -> None:
    import openvino

    done = export(run, "openvino", tmp_path, tasks=["depth"], reduction=Int8(seconds=0))
    model = openvino.Core().read_model(done.path)
    assert json.loads(model.get_rt_info(["taskscape"]).astype(str))["int8"]["layers"] > 0
    assert sum("FakeQuantize" in str(one.get_type_name()) for one in model.get_ops()) > 10
    constants = [one for one in model.get_ops() if one.get_type_name() == "Constant"]
    assert any(one.get_element_type() == openvino.Type.i8 for one in constants)
    assert done.parity["depth"].mean < 0.1


@needs_onnx
def test_blocks_stay_in_float32(plain: Path) -> None:
    from taskscape.export.int8.quantize import Quantizer, count_kernels

    images = [torch.randint(0, 256, (1, 3, 32, 48), dtype=torch.uint8).numpy() for _ in range(2)]
    quantizer = Quantizer(plain, images)
    blocks = quantizer.layers.blocks
    assert len(blocks) > 5 and not any("Shape" in name for names in blocks.values() for name in names)
    block = next(name for name in blocks if name.startswith("encoder") and "layer2" in name)
    kept = quantizer.model_with([block])
    kernels = [node for node in kept.graph.node if node.name in blocks[block] and node.op_type == "Conv"]
    floats = {one.name for one in kept.graph.initializer if one.data_type == 1}
    assert kernels and all(node.input[1] in floats for node in kernels)
    all_int8, of_all = count_kernels(quantizer.model_with([]))
    assert count_kernels(kept) == (all_int8 - len(kernels), of_all)
    assert count_kernels(quantizer.model_with(blocks)) == (0, of_all)
    assert count_kernels(quantizer.model) == (0, of_all)


@needs_onnx
def test_by_the_command(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from taskscape.cli import main

    photographs = tmp_path / "photographs"
    photographs.mkdir()
    for number in range(3):
        Image.fromarray(np.random.default_rng(number).integers(0, 255, (40, 60, 3), np.uint8)).save(
            photographs / f"{number}.png"
        )
    made = ["export", str(run), "--to", "onnx", "--int8", "--tasks", "depth", "--out", str(tmp_path / "out")]
    main([*made, "--calibrate", str(photographs)])
    assert "int8 in" in capsys.readouterr().out
    for other in ("torch", "web"):
        with pytest.raises(SystemExit):
            main(["export", str(run), "--to", other, "--int8", "--out", str(tmp_path / other)])
        assert f"--int8 is for --to onnx or openvino, not for --to {other}" in capsys.readouterr().err


# -- the images --------------------------------------------------------------------------------------------------------


def test_without_images_the_option_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"not available: .*--calibrate PATH"):
        images_for(job(), None)
    with pytest.raises(ValueError, match=r"--calibrate .*there are no images in it"):
        images_for(job(), tmp_path)
    with pytest.raises(FileNotFoundError, match=r"--calibrate .*there is no such folder"):
        images_for(job(), tmp_path / "nowhere")


def test_images_have_the_size_that_the_file_takes(store: Path, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    for number in range(4):
        Image.new("RGB", (120, 64), (number, 0, 0)).save(tmp_path / "more" / f"{number}.jpg")
    found = images_for(job(), tmp_path)
    assert len(found.ranges) == 3 and len(found.compared) == 1
    assert {image.shape for image in found.ranges} == {(1, 3, 32, 60)} and found.ranges[0].dtype == np.uint8
    assert {image.shape for image in images_for(job(size=(16, 20)), tmp_path).compared} == {(1, 3, 16, 20)}
    of_store = images_for(job(), store)
    assert of_store.ranges and of_store.compared and of_store.ranges[0].shape == (1, 3, 32, 48)


def test_generated_streets_are_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: Path) -> None:
    made = []

    def opened(self: Streets, report: object = None) -> Any:
        made.append(self)
        return Packed(store).open()

    monkeypatch.setattr(Streets, "open", opened)
    assert images_for(job(data=Streets(train=6000)), None).ranges
    assert [streets.train for streets in made] == [RANGES + COMPARED]


# -- the search --------------------------------------------------------------------------------------------------------


class Sensitive:
    """A network whose error is the sum of the errors of its int8 blocks."""

    def __init__(self, **added: float) -> None:
        self.added = added
        self.tried: list[tuple[str, ...]] = []
        values = [np.zeros((1, 4, 4), np.int64), np.ones((1, 1, 4, 4), np.float32)]
        self.comparison = Comparison(["semseg", "depth"], lambda image: values, [np.zeros((1, 3, 4, 4), np.uint8)])

    def __call__(self, floating: Sequence[str]) -> dict[str, float]:
        self.tried.append(tuple(floating))
        return {"semseg": 0.0, "depth": sum(part for name, part in self.added.items() if name not in floating)}

    def search(self, seconds: float = 60) -> Any:
        return search(list(self.added), self, self.comparison, seconds)


def test_nothing_is_left_where_all_is_within_bounds() -> None:
    network = Sensitive(a=0.01, b=0.01)
    assert network.search().floating == () and network.tried == [()]


def test_the_most_sensitive_blocks_are_left_in_float32() -> None:
    network = Sensitive(a=0.001, b=0.05, c=0.002, d=0.04, e=0.003)
    found = network.search()
    assert found.floating == ("b", "d") and found.holds and found.differences["depth"] <= VALUES
    assert found.before["depth"] == pytest.approx(0.096)


def test_a_search_ends_in_time_with_the_best_that_was_found() -> None:
    network = Sensitive(a=0.2, b=0.3)
    found = network.search(seconds=0)
    assert found.floating == () and not found.holds and len(network.tried) == 1


def test_differences_are_shares_and_relative() -> None:
    expected = [np.zeros((1, 2, 2), np.int64), np.full((1, 1, 2, 2), 10, np.float32)]
    comparison = Comparison(["semseg", "depth"], lambda image: expected, [np.zeros((1, 3, 2, 2), np.uint8)])
    found = comparison.differences(lambda image: [np.array([[[0, 1], [0, 0]]]), expected[1] + 1])
    assert found == {"semseg": 0.25, "depth": pytest.approx(0.1)}
    assert comparison.excess(found) == pytest.approx(0.25 / CLASSES - 1 + 0.1 / VALUES - 1)
    assert comparison.excess({"semseg": CLASSES, "depth": VALUES}) == 0
