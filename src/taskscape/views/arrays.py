"""Colors, as views take and return them. The arrays of values are those of ``modalities``."""

import numpy as np
import numpy.typing as npt

Color = tuple[int, int, int]
"""RGB in 0..255."""
RgbArray = npt.NDArray[np.uint8]
"""(..., 3), RGB in 0..255."""
