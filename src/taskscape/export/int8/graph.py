"""Find the operations of an ONNX file that can be int8, grouped by block of the network."""

import ast
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

KERNELS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""Operations that are faster in int8."""
OPERATIONS = (
    *KERNELS, "Add", "AveragePool", "Clip", "Concat", "Flatten", "GlobalAveragePool", "LeakyRelu", "MaxPool", "Mul",
    "Pad", "Relu", "Reshape", "Resize", "Sigmoid", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze",
)  # fmt: skip
"""Operations that can be int8 between two kernels."""
_SCOPES = "pkg.torch.onnx.name_scopes"


@dataclass
class Layers:
    """The operations of a file that can be int8, by block of the network."""

    blocks: dict[str, list[str]] = field(default_factory=dict)
    """Names of nodes by the name of the block, such as ``encoder.backbone.blocks.3.1``."""
    last: list[str] = field(default_factory=list)
    """The last kernel of each task, which no other follows; always float32."""

    def without(self, floating: Iterable[str]) -> list[str]:
        """Return the nodes that are int8 if these blocks stay in float32."""
        excluded = set(floating)
        return [name for block, names in self.blocks.items() if block not in excluded for name in names]


def layers_of(model: Any) -> Layers:
    """Return the operations between the first and the last kernels of a model (``onnx.ModelProto``).

    This leaves out operations that only prepare the image, decode a task or compute sizes.
    """
    nodes = model.graph.node
    producer = {output: node for node in nodes for output in node.output}
    users = defaultdict(list)
    for node in nodes:
        for name in node.input:
            users[name].append(node)
    block_of: dict[str, str] = {}  # of the kernels and all nodes that follow one
    for node in nodes:
        producers = [producer[name].name for name in node.input if name in producer]
        if node.op_type in KERNELS:
            block_of[node.name] = _block(node)
        elif earlier_blocks := [block_of[name] for name in producers if name in block_of]:
            block_of[node.name] = earlier_blocks[0]
    layers = Layers()
    followed: set[str] = set()  # the kernels and all nodes that precede one
    between: set[str] = set()
    for node in reversed(nodes):
        is_followed = any(user.name in followed for output in node.output for user in users[output])
        if node.op_type in KERNELS or is_followed:
            followed.add(node.name)
        if node.op_type in KERNELS and not is_followed:
            layers.last.append(node.name)
        elif is_followed and node.op_type in OPERATIONS and node.name in block_of:
            between.add(node.name)
    for node in nodes:
        if node.name in between:
            layers.blocks.setdefault(block_of[node.name], []).append(node.name)
    layers.last.reverse()
    return layers


def _block(node: Any) -> str:
    """Return the name of the module with the layer of a node, as recorded by torch's exporter."""
    scopes = {prop.key: prop.value for prop in node.metadata_props}.get(_SCOPES)
    modules = [name for name in ast.literal_eval(scopes)[:-1] if name] if scopes else []
    if not modules:
        return str(node.name)
    layer: str = modules[-1].removeprefix("network.")
    return layer.rpartition(".")[0] or layer
