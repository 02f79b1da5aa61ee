"""The section of albedo, in sRGB images or linear arrays."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from typing_extensions import override

from taskscape.data.readers.folder.section import Section
from taskscape.modalities import Albedo
from taskscape.modalities.albedo import decode_8bit
from taskscape.modalities.base import Array, Mask


@dataclass(frozen=True, kw_only=True)
class AlbedoSection(Section):
    """Albedo: 8-bit sRGB in images, linear reflectance in 0..1 in arrays; (0, 0, 0) and what is not finite is none."""

    name: ClassVar[str] = "albedo"

    @override
    def modality(self) -> Albedo:
        return Albedo()

    @override
    def read(self, stored: Array, exact: bool) -> tuple[Array, Mask]:
        if stored.shape[2:] != (3,):
            raise ValueError(f"has shape {stored.shape} instead of (H, W, 3): convert it")
        if not exact and stored.dtype != np.uint8:
            raise ValueError(f"holds {stored.dtype} where 8-bit RGB belongs: export it again, or save a linear array")
        linear = stored if exact else decode_8bit(stored)
        finite = np.asarray(np.isfinite(linear).all(-1))
        linear = np.where(finite[..., None], linear, 0).astype(np.float32)
        return linear, np.logical_and(finite, linear.any(-1))
