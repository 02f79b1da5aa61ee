"""Networks of a few operations for the page, which a browser computes at once."""

import base64
import lzma
from typing import Any

import numpy as np

from taskscape.export.web import PageModel

NAMES = ["dark", "bright", "sky"]
TILTED = 3.0
"""Difference of the network's depth between the top and bottom of an image in meters; depth starts at 2."""


def network(
    name: str, threshold: int = 127, *, depth: bool = True, meters: float = 2.0, confidence: bool = False
) -> PageModel:
    """Return a network that classifies pixels as bright by their red, and predicts lower pixels to be nearer.

    With ``confidence``, it is more confident for redder pixels.
    """
    tasks = ["semseg", *(["depth"] * depth), *(["semseg.confidence"] * confidence)]
    content = lzma.compress(_onnx(threshold, meters, tasks), check=lzma.CHECK_CRC32, filters=_FILTERS)
    about = {
        "name": name,
        "text": "A network for tests.",
        "invalid": [128, 128, 128],
        "height": 60,
        "fixed": None,
        "outputs": [_OUTPUTS[task] for task in tasks],
    }
    return PageModel(about, {"height": 8, "width": 8, "means": {}}, base64.b64encode(content).decode(), 16, {})


_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 1 << 24}]

_OUTPUTS: dict[str, dict[str, Any]] = {
    "semseg": {
        "name": "semseg",
        "title": "Classes",
        "unit": "",
        "channels": 1,
        "text": "",
        "drawing": {"kind": "classes", "names": NAMES, "colors": [[0, 0, 142], [220, 20, 60], [70, 130, 180]]},
    },
    "depth": {
        "name": "depth",
        "title": "Depth",
        "unit": "m",
        "channels": 1,
        "text": "",
        "drawing": {
            "kind": "scale",
            "colors": [[255 - level, level, 128] for level in range(256)],
            "logarithmic": True,
            "ends": None,
            "relative": False,
            "ticks": [],
        },
    },
    "semseg.confidence": {
        "name": "semseg.confidence",
        "title": "Classes, confidence",
        "unit": "%",
        "channels": 1,
        "text": "Probability that the class is right.",
        "of": "semseg",
        "drawing": {
            "kind": "scale",
            "colors": [[level, level, 90] for level in range(256)],
            "logarithmic": False,
            "ends": [0, 1],
            "relative": False,
            "ticks": [[0, "0, unsure"], [0.5, "50 %"], [1, "100 %, sure"]],
        },
    },
}


def _onnx(threshold: int, meters: float, tasks: list[str]) -> bytes:
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("Cast", ["image"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Gather", ["numbers", "zero"], ["red"], axis=1),
        helper.make_node("Greater", ["red", "threshold"], ["is_bright"]),
        helper.make_node("Cast", ["is_bright"], ["semseg"], to=TensorProto.INT64),
    ]
    if "depth" in tasks:  # row numbers: ones, summed from the top
        nodes += [
            helper.make_node("Mul", ["numbers", "nothing"], ["zeros"]),
            helper.make_node("Add", ["zeros", "tilt"], ["ones"]),
            helper.make_node("CumSum", ["ones", "rows"], ["falling"]),
            helper.make_node("Slice", ["falling", "start", "end", "channel"], ["one"]),
            helper.make_node("Sub", ["far", "one"], ["depth"]),
        ]
    if "semseg.confidence" in tasks:
        nodes.append(helper.make_node("Div", ["red", "white"], ["reds"]))
        nodes.append(helper.make_node("Unsqueeze", ["reds", "start"], ["semseg.confidence"]))
    constants = {
        "white": np.array(255, np.float32),
        "zero": np.array(0),
        "threshold": np.array(threshold, np.float32),
        "nothing": np.array(0, np.float32),
        "tilt": np.array(TILTED / 60, np.float32),
        "far": np.array(TILTED + meters, np.float32),
        "rows": np.array(2),
        "start": np.array([0]),
        "end": np.array([1]),
        "channel": np.array([1]),
    }
    used = {name for node in nodes for name in node.input}
    scalar: tuple[int, list[int | str]] = (TensorProto.FLOAT, [1, 1, "h", "w"])
    ids: tuple[int, list[int | str]] = (TensorProto.INT64, [1, "h", "w"])
    shapes = {"semseg": ids, "depth": scalar, "semseg.confidence": scalar}
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [1, 3, "h", "w"])],
        [helper.make_tensor_value_info(task, *shapes[task]) for task in tasks],
        [numpy_helper.from_array(value, key) for key, value in constants.items() if key in used],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return bytes(model.SerializeToString())
