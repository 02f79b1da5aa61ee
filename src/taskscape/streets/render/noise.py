"""Fixed randomness for textures: a tileable noise image, and hashes of integers."""

import math
from functools import cache

import numpy as np
import numpy.typing as npt

from taskscape.streets.compiled import compiled, inlined

Table = npt.NDArray[np.float32]
"""See ``noise_table``."""
_SIZE = 512


@cache
def noise_table() -> Table:
    """Return tileable fractal noise with mean near 0 and standard deviation near 1, (512, 512)."""
    generator = np.random.Generator(np.random.PCG64(1))
    table = np.zeros((_SIZE, _SIZE))
    amplitude = 1.0
    for cells in (4, 8, 16, 32, 64, 128, 256):
        grid = generator.random((cells, cells)) - 0.5
        position = np.arange(_SIZE) * (cells / _SIZE)
        low = position.astype(np.int64)
        weight = position - low
        weight = weight * weight * (3 - 2 * weight)
        high = (low + 1) % cells
        rows = grid[:, low] * (1 - weight) + grid[:, high] * weight
        table += amplitude * (rows[low] * (1 - weight)[:, None] + rows[high] * weight[:, None])
        amplitude *= 0.62
    return (table * 4.2).astype(np.float32)


@compiled
def noise(table: Table, x: float, y: float) -> float:
    """Return the noise at (x, y) in texels of the table."""
    return table[math.floor(y) & (_SIZE - 1), math.floor(x) & (_SIZE - 1)]  # type: ignore[no-any-return]


@inlined
def scatter(a: float, b: float, c: float) -> float:
    """Return a pseudorandom number in [0, 1) from a hash of the integer parts of a, b, c."""
    n = (math.floor(a) * 374761393 + math.floor(b) * 668265263 + math.floor(c) * 2147483647) & 0xFFFFFFFF
    n = ((n ^ (n >> 13)) * 1274126177) & 0xFFFFFFFF
    n = ((n ^ (n >> 15)) * 2246822519) & 0xFFFFFFFF
    return ((n ^ (n >> 16)) & 0xFFFF) / 65536.0
