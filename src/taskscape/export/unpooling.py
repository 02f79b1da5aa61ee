"""Max-unpooling by comparisons, which all formats support, instead of scattering by indices.

Pooling records which of the four values of a 2×2 window is the largest, or the first of equal ones as in torch, and
unpooling puts a value there. The ONNX exporter scatters by flat indices, which OpenVINO and int8 support less well.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from taskscape.export.deployed import sizes_as_one_case

_POOL = torch.ops.aten.max_pool2d_with_indices.default
_UNPOOL = torch.ops.aten.max_unpool2d.default


def compared(program: torch.export.ExportedProgram) -> torch.export.ExportedProgram:
    """Return an equivalent program with comparisons instead of indices of maxima.

    Raises ``ValueError`` for pooling with indices unless its windows are 2×2 and sizes are rounded up, as in SegNet.
    """
    if all(node.target != _UNPOOL for node in program.graph.nodes):
        return program
    table: Any = {_POOL: _pool, _UNPOOL: _unpool}
    with sizes_as_one_case():  # as the program was traced
        decomposed: torch.export.ExportedProgram = program.run_decompositions(table)
    return decomposed


def _pool(
    x: Tensor,
    kernel_size: list[int],
    stride: list[int] | tuple[int, ...] = (),
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> tuple[Tensor, Tensor]:
    """Return the 2×2 maxima, and the position of each in its window: 0, 1, 2, 3 in row-major order."""
    if not (kernel_size == [2, 2] and list(stride) in ([], [2, 2]) and ceil_mode):
        raise ValueError("pooling with indices is implemented only for 2×2 windows with sizes rounded up")
    largest = F.max_pool2d(x, 2, ceil_mode=True)
    height, width = x.shape[-2:]
    padded = F.pad(x, (0, 1, 0, 1), value=-torch.inf)
    corners = [padded[:, :, i : height + i : 2, j : width + j : 2] for i, j in ((0, 0), (0, 1), (1, 0))]
    number = torch.full_like(largest, 3.0)
    for k, corner in reversed(list(enumerate(corners))):
        number = torch.where(corner == largest, float(k), number)
    return largest, number


def _unpool(x: Tensor, number: Tensor, output_size: list[int]) -> Tensor:
    """Return a map of the output's size with the values at the numbered positions, zero elsewhere."""
    corners = torch.stack([torch.where(number == k, x, 0.0) for k in range(4)], 2)
    height, width = output_size
    return F.pixel_shuffle(corners.flatten(1, 2), 2)[:, :, :height, :width]
