"""Application of 3×3 matrices to three-channel maps and to points."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def apply_matrix(matrix: "Tensor", x: "Tensor") -> "Tensor":
    """Apply (B, n, 3) matrices to the three channels of (B, 3, H, W).

    This avoids a matrix product, whose inputs a GPU may round to ten bits and autocast to eight.
    """
    first, second, third = matrix[..., None, None].unbind(2)
    a, b, c = x.unsqueeze(2).unbind(1)
    return (first * a).addcmul_(second, b).addcmul_(third, c)


def move_points(matrix: "Tensor", points: "Tensor") -> "Tensor":
    """Apply (B, n, 3) matrices to the points (x, y, 1), with x and y given as (B, 2, H, W)."""
    first, second, third = matrix[..., None, None].unbind(2)
    x, y = points.unsqueeze(2).unbind(1)
    return (first * x).addcmul_(second, y).add_(third)
