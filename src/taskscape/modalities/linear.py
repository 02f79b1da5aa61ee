"""3×3 matrices applied to maps of three channels."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def apply_matrix(matrix: "Tensor", x: "Tensor") -> "Tensor":
    """Return the (B, n, 3) matrices applied to the three channels of (B, 3, H, W).

    Not as a matrix product, which a GPU may round to ten bits and autocast to eight.
    """
    m = matrix[..., None, None]
    return (m[:, :, 0] * x[:, 0:1]).addcmul_(m[:, :, 1], x[:, 1:2]).addcmul_(m[:, :, 2], x[:, 2:3])
