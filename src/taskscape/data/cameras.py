"""Known focal lengths of the cameras of data sets."""

import math
from collections.abc import Mapping
from typing import Any

from taskscape.data.manifest import Manifest
from taskscape.data.sources import DataSource, Mixed, MixedPart, Packed, Part, Streets
from taskscape.streets import camera
from taskscape.streets.photographs import camera as photographs_camera

_CITYSCAPES = 2262.52 / 2048
_NYUV2 = 518.857901 / 640
_NYUV2_CROP = 518.857901 / 560
_FIELDS_OF_VIEW = {"classic": camera.FIELD_OF_VIEW, "photographs": photographs_camera.FIELD_OF_VIEW}
"""Range of the horizontal field of view of generated streets, in degrees, by style; drawn uniformly
(``taskscape.streets``)."""


def focal_length(data: DataSource) -> float | None:
    """Return the focal length of most images of a source, in image widths; None if it is unknown.

    For generated streets, it is the focal length of the middle of their range of fields of view. For a store, it
    follows from the source that the manifest names, if the store exists.
    """
    match data:
        case Streets():
            return _streets_focal_length(data.style)
        case Mixed():
            focal_lengths = (focal_length(MixedPart.parse(part).source) for part in data.parts)
            return next((focal for focal in focal_lengths if focal is not None), None)
        case Packed() | Part():
            try:
                return _source_focal_length(Manifest.of(data.path).source)
            except (OSError, ValueError):  # predictions need no data
                return None
        case _:
            return None


def _source_focal_length(source: Mapping[str, Any]) -> float | None:
    """Return the focal length of the source that a manifest describes."""
    settings = source.get("settings") or {}
    match source.get("kind"):
        case "streets":
            return _streets_focal_length(str(source.get("style", "classic")))
        case "cityscapes":
            return _CITYSCAPES
        case "nyuv2":
            return _NYUV2_CROP if settings.get("crop") else _NYUV2
        case "mtan":
            return {"cityscapes": _CITYSCAPES, "nyuv2": _NYUV2}.get(str(settings.get("of")))
        case "part" if isinstance(source.get("of"), dict):
            return _source_focal_length(source["of"])
        case _:
            return None


def _streets_focal_length(style: str) -> float | None:
    if style not in _FIELDS_OF_VIEW:
        return None
    return 0.5 / math.tan(math.radians(sum(_FIELDS_OF_VIEW[style]) / 2) / 2)
