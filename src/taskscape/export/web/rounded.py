"""Round the weights of ONNX files to fewer bits for small pages. The network still computes in float32."""

from pathlib import Path
from typing import Any

import numpy as np

_MIN_VALUES = 1024
"""Tensors with fewer values are not rounded."""


def rounded(path: Path, bits: int) -> bytes:
    """Return an ONNX file whose weights are integers of this many bits, times one factor per output channel.

    The runtime multiplies them only once, when it loads the file.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model: Any = onnx.load(path)
    graph = model.graph
    initializers, nodes = [], []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < _MIN_VALUES or values.ndim < 2:
            initializers.append(tensor)
            continue
        name, (integers, factor) = tensor.name, _as_integers(values, bits)
        initializers += [
            numpy_helper.from_array(integers, f"{name}:whole"),
            numpy_helper.from_array(factor, f"{name}:factor"),
        ]
        nodes += [
            helper.make_node("Cast", [f"{name}:whole"], [f"{name}:float"], to=TensorProto.FLOAT),
            helper.make_node("Mul", [f"{name}:float", f"{name}:factor"], [name]),
        ]
    operations = [*nodes, *graph.node]
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(initializers)
    graph.node.extend(operations)
    content: bytes = model.SerializeToString()
    return content


def _as_integers(values: Any, bits: int) -> tuple[Any, Any]:
    """Return integers, and one factor per slice along the first axis."""
    largest = 2 ** (bits - 1) - 1
    factor = np.abs(values).max(axis=tuple(range(1, values.ndim)), keepdims=True) / largest
    factor[factor == 0] = 1
    return np.rint(values / factor).astype(np.int16 if bits > 8 else np.int8), factor.astype(np.float32)
