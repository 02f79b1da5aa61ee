"""Modalities of stores in format 1, where the name of a field determines its modality."""

from collections.abc import Mapping
from typing import Any

from taskscape.modalities.base import Modality
from taskscape.modalities.class_sets import ClassSet
from taskscape.modalities.depth import Depth
from taskscape.modalities.normals import Normals
from taskscape.modalities.rgb import Rgb
from taskscape.modalities.semseg import Semseg
from taskscape.serialization import structure


def fields_of_format_1(content: Mapping[str, Any], where: str) -> dict[str, Modality]:
    """Return the fields of a manifest in format 1; ``where`` names the manifest in errors.

    Raises ``ValueError`` or ``KeyError`` for a damaged manifest.
    """
    metric = content["source"].get("depth", {}).get("unit") != "unknown"
    modalities: dict[str, Modality] = {"image": Rgb(), "depth": Depth(metric), "normals": Normals()}
    if content["class_set"] is not None:
        modalities["semseg"] = Semseg(structure(content["class_set"], where, ClassSet))
    return {name: modalities[name] for name in content["fields"]}
