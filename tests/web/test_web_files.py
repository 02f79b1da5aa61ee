"""The files of a page: written files can be read, and weights are rounded as little as the size allows."""

import base64
import importlib.util
import json
import lzma
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from taskscape.export.web import PageModel, model, read_folder, single_page, write_folder
from taskscape.export.web.fitted import BITS
from taskscape.export.web.rounded import rounded

needs_onnx = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime")), reason="needs the extra export"
)


def network(name: str) -> PageModel:
    content = base64.b64encode(lzma.compress(b"a network", check=lzma.CHECK_CRC32)).decode()
    about = {"name": name, "text": "</script><script>alert(1)</script>", "outputs": []}
    return PageModel(about, {"height": 8, "width": 8, "means": {}}, content, 16, {"depth": 0.001})


def test_networks_of_a_folder_are_read_again(tmp_path: Path) -> None:
    models = [network("a"), network("b")]
    index = write_folder(models, tmp_path / "page")
    assert index.name == "index.html"
    assert read_folder(tmp_path / "page") == models
    names = {path.name for path in index.parent.iterdir()}
    assert names == {"index.html", "model-0.js", "model-1.js", "runtime-wasm.js", "runtime-webgpu.js"}


def test_no_text_ends_the_element_that_it_stands_in() -> None:
    page = single_page(network("a"))
    contents = page.partition('id="contents">')[2].partition("</script>")[0]
    assert json.loads(contents)["models"][0]["about"]["text"] == "</script><script>alert(1)</script>"
    assert page.count("<!doctype html>") == 1
    assert "http-equiv" in page
    assert "connect-src 'none'" in page


@pytest.mark.parametrize(("room", "bits"), [(20_000, 12), (15_000, 11), (13_000, 9), (9_000, 6), (7_000, None)])
def test_the_most_bits_that_fit_are_found_in_few_tries(
    room: int, bits: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    def noise(path: Path, width: int) -> bytes:  # of 1000 bytes a bit, which are 1333 characters
        tried.append(width)
        return np.random.default_rng(0).bytes(1000 * width)

    monkeypatch.setattr(model, "rounded", noise)
    monkeypatch.setattr(model, "_described", lambda job, path, file, *found: PageModel({}, {}, *found, {}))
    job: Any = None
    if bits is None:
        with pytest.raises(ValueError, match="with weights of 6 bits"):
            model.packed(job, tmp_path, bits=BITS, room=room)
    else:
        assert model.packed(job, tmp_path, bits=BITS, room=room).bits == bits
    assert len(tried) <= 3, tried


@needs_onnx
@pytest.mark.parametrize("bits", [16, 12, 8, 6])
def test_weights_are_rounded_to_so_many_bits(bits: int, tmp_path: Path) -> None:
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    weights = np.random.default_rng(0).normal(size=(64, 32)).astype(np.float32)
    weights[3] = 0
    bias = np.arange(32, dtype=np.float32)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["xw"]), helper.make_node("Add", ["xw", "b"], ["y"])]
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [64, 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [64, 32])],
        [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(bias, "b")],
    )
    path = tmp_path / "linear.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    session = onnxruntime.InferenceSession(rounded(path, bits), providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {"x": np.eye(64, dtype=np.float32)})
    steps = np.abs(weights).max(axis=1, keepdims=True) / (2 ** (bits - 1) - 1)
    assert np.all(np.abs(y - bias - weights) <= steps / 2 + 1e-5)
    assert not np.any(y[3] - bias)
