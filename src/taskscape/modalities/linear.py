"""3×3 matrices applied to maps of three channels and to points."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def apply_matrix(matrix: "Tensor", x: "Tensor") -> "Tensor":
    """Return the (B, n, 3) matrices applied to the three channels of (B, 3, H, W).

    Not as a matrix product, which a GPU may round to ten bits and autocast to eight.
    """
    first, second, third = matrix[..., None, None].unbind(2)
    a, b, c = x.unsqueeze(2).unbind(1)
    return (first * a).addcmul_(second, b).addcmul_(third, c)


def move_points(matrix: "Tensor", points: "Tensor") -> "Tensor":
    """Return the (B, n, 3) matrices applied to the points (x, y, 1) of which (B, 2, H, W) has x and y."""
    first, second, third = matrix[..., None, None].unbind(2)
    x, y = points.unsqueeze(2).unbind(1)
    return (first * x).addcmul_(second, y).add_(third)
