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
    """Albedo: 8-bit sRGB, or float arrays of linear reflectance in 0..1; (0, 0, 0) and non-finite are invalid."""

    name: ClassVar[str] = "albedo"
    channels: ClassVar[int | None] = 3

    @override
    def modality(self) -> Albedo:
        return Albedo()

    @override
    def read(self, stored: Array, exact: bool) -> tuple[Array, Mask]:
        linear = exact and stored.dtype.kind == "f"
        if not linear and stored.dtype != np.uint8:
            raise ValueError(f"holds {stored.dtype} where 8-bit RGB belongs: export it again, or save a linear array")
        values = stored if linear else decode_8bit(stored)
        finite = np.asarray(np.isfinite(values).all(-1))
        values = np.where(finite[..., None], values, 0).astype(np.float32)
        if linear and not 0 <= values.min() <= values.max() <= 1:
            raise ValueError(
                f"holds {values.min():.9g} … {values.max():.9g} where reflectance in 0 … 1 belongs: scale or clip it, "
                "or save sRGB as 8-bit RGB"
            )
        return values, np.logical_and(finite, values.any(-1))
