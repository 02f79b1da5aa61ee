"""Modalities: what the numbers of a dense map mean. Importing this does not import torch."""

from taskscape.modalities.albedo import Albedo
from taskscape.modalities.base import Modality
from taskscape.modalities.boundaries import Boundaries
from taskscape.modalities.class_sets import CLASS_SETS, IGNORE_INDEX, ClassSet
from taskscape.modalities.depth import Depth
from taskscape.modalities.normals import Normals
from taskscape.modalities.rgb import Rgb
from taskscape.modalities.semseg import Semseg
from taskscape.serialization import offer

MODALITIES: tuple[type[Modality], ...] = (Rgb, Semseg, Depth, Normals, Boundaries, Albedo)
"""The modalities of the package."""

offer(Modality, MODALITIES)

__all__ = [
    "CLASS_SETS",
    "IGNORE_INDEX",
    "MODALITIES",
    "Albedo",
    "Boundaries",
    "ClassSet",
    "Depth",
    "Modality",
    "Normals",
    "Rgb",
    "Semseg",
]
