"""Vectors and matrices as tuples, which compiled code passes on at no cost, unlike arrays with reference counts."""

import math

import numpy as np
import numpy.typing as npt

from taskscape.streets.compiled import compiled

FloatArray = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]
Vector = tuple[float, float, float]
Matrix = tuple[Vector, Vector, Vector]
"""A matrix as a tuple of its rows."""


@compiled
def unit(x: float, y: float, z: float) -> Vector:
    """Return (x, y, z) normalized to length 1."""
    length = math.sqrt(x * x + y * y + z * z) + 1e-30
    return x / length, y / length, z / length


@compiled
def dot(a: Vector, b: Vector) -> float:
    """Return the dot product."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@compiled
def reflected(direction: Vector, normal: Vector, cosine: float) -> Vector:
    """Return the reflection of a unit direction; ``cosine`` is the dot product of ``normal`` and -``direction``."""
    return (
        direction[0] + 2 * cosine * normal[0],
        direction[1] + 2 * cosine * normal[1],
        direction[2] + 2 * cosine * normal[2],
    )


@compiled
def vector_at(vectors: FloatArray, index: int) -> Vector:
    """Return a row of ``vectors``, (n, 3)."""
    return vectors[index, 0], vectors[index, 1], vectors[index, 2]


@compiled
def matrix_of(m: FloatArray) -> Matrix:
    """Return a (3, 3) matrix as a tuple of rows."""
    return (m[0, 0], m[0, 1], m[0, 2]), (m[1, 0], m[1, 1], m[1, 2]), (m[2, 0], m[2, 1], m[2, 2])


@compiled
def matrix_at(matrices: FloatArray, index: int) -> Matrix:
    """Return one of ``matrices``, (n, 3, 3), as a tuple of rows."""
    m = matrices
    return (
        (m[index, 0, 0], m[index, 0, 1], m[index, 0, 2]),
        (m[index, 1, 0], m[index, 1, 1], m[index, 1, 2]),
        (m[index, 2, 0], m[index, 2, 1], m[index, 2, 2]),
    )


@compiled
def minus(a: Vector, b: Vector) -> Vector:
    """Return a - b."""
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]


@compiled
def rotate(matrix: Matrix, v: Vector) -> Vector:
    """Return matrix @ v."""
    return dot(matrix[0], v), dot(matrix[1], v), dot(matrix[2], v)


@compiled
def rotate_back(matrix: Matrix, v: Vector) -> Vector:
    """Return matrix.T @ v."""
    x, y, z = matrix
    return (
        x[0] * v[0] + y[0] * v[1] + z[0] * v[2],
        x[1] * v[0] + y[1] * v[1] + z[1] * v[2],
        x[2] * v[0] + y[2] * v[1] + z[2] * v[2],
    )
