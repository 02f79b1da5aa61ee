"""Find the operations of an ONNX file that can be int8, grouped by block of the network."""

import ast
from collections import defaultdict
from collections.abc import Iterable, Sequence
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
    block_of, followed = _blocks(nodes), _followed_by_a_kernel(nodes)
    layers = Layers()
    for node in nodes:
        if node.name in followed:
            if node.op_type in OPERATIONS and node.name in block_of:
                layers.blocks.setdefault(block_of[node.name], []).append(node.name)
        elif node.op_type in KERNELS:
            layers.last.append(node.name)
    return layers


def _blocks(nodes: Sequence[Any]) -> dict[str, str]:
    """Return the block of each kernel, and of each node that follows one, by the node's name."""
    producer = {output: node.name for node in nodes for output in node.output}
    block_of: dict[str, str] = {}
    for node in nodes:
        producers = [producer[name] for name in node.input if name in producer]
        if node.op_type in KERNELS:
            block_of[node.name] = _block(node)
        elif earlier_blocks := [block_of[name] for name in producers if name in block_of]:
            block_of[node.name] = earlier_blocks[0]
    return block_of


def _followed_by_a_kernel(nodes: Sequence[Any]) -> set[str]:
    """Return the names of the nodes whose results reach a kernel."""
    users = defaultdict(list)
    for node in nodes:
        for name in node.input:
            users[name].append(node)
    followed: set[str] = set()
    for node in reversed(nodes):
        following = [user for output in node.output for user in users[output]]
        if any(user.op_type in KERNELS or user.name in followed for user in following):
            followed.add(node.name)
    return followed


def _block(node: Any) -> str:
    """Return the name of the module with the layer of a node, as recorded by torch's exporter."""
    scopes = {prop.key: prop.value for prop in node.metadata_props}.get(_SCOPES)
    modules = [name for name in ast.literal_eval(scopes)[:-1] if name] if scopes else []
    if not modules:
        return str(node.name)
    layer: str = modules[-1].removeprefix("network.")
    return layer.rpartition(".")[0] or layer
