"""The arrays that views take and return."""

from typing import Any

import numpy as np
import numpy.typing as npt

Color = tuple[int, int, int]
"""RGB in 0..255."""
RgbArray = npt.NDArray[np.uint8]
"""(..., 3), RGB in 0..255."""
Mask = npt.NDArray[np.bool_]
Array = npt.NDArray[Any]
