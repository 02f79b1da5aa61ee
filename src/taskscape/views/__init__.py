"""How each modality is shown in colors and written to files; modules are named as in ``taskscape.modalities``."""

from typing import Any

from taskscape.modalities.albedo import Albedo
from taskscape.modalities.base import Modality
from taskscape.modalities.boundaries import Boundaries
from taskscape.modalities.depth import Depth
from taskscape.modalities.normals import Normals
from taskscape.modalities.rgb import Rgb
from taskscape.modalities.semseg import Semseg
from taskscape.views.albedo import AlbedoView
from taskscape.views.arrays import Color, RgbArray
from taskscape.views.base import View
from taskscape.views.boundaries import BoundariesView
from taskscape.views.confidence import ConfidenceView
from taskscape.views.depth import DepthView
from taskscape.views.key import Example, Key, Scale, Swatches
from taskscape.views.normals import NormalsView
from taskscape.views.rgb import RgbView
from taskscape.views.semseg import SemsegView

__all__ = [
    "AlbedoView",
    "BoundariesView",
    "Color",
    "ConfidenceView",
    "DepthView",
    "Example",
    "Key",
    "NormalsView",
    "RgbArray",
    "RgbView",
    "Scale",
    "SemsegView",
    "Swatches",
    "View",
    "offer_view",
    "view",
]

_VIEWS: dict[type[Modality], type[View[Any]]] = {
    Rgb: RgbView,
    Semseg: SemsegView,
    Depth: DepthView,
    Normals: NormalsView,
    Boundaries: BoundariesView,
    Albedo: AlbedoView,
}


def offer_view(modality: type[Modality], view: type[View[Any]]) -> None:
    """Register the view of a modality class and of its subclasses without a view of their own.

    Call it in the file that defines the modality, which is imported whenever a result is read.

    >>> from taskscape.modalities import Depth
    >>> class Height(Depth): ...
    >>> class HeightView(DepthView): ...
    >>> offer_view(Height, HeightView)
    >>> type(view(Height())).__name__
    'HeightView'
    """
    _VIEWS[modality] = view


def view(modality: Modality) -> View[Any]:
    """Return the view of a modality. Raises ``ValueError`` if its class has none.

    >>> from taskscape.modalities import CLASS_SETS, Semseg
    >>> view(Semseg(CLASS_SETS["nyuv2-13"])).classes["bed"]
    (255, 187, 120)
    """
    for cls in type(modality).__mro__:
        if cls in _VIEWS:
            return _VIEWS[cls](modality)
    name = type(modality).__name__
    raise ValueError(
        f"{name} has no view, so it cannot be shown: define a subclass of taskscape.views.View and call "
        f"taskscape.views.offer_view({name}, …) in the file that defines {name}; for a trained run, in its copy in the "
        "run's folder code"
    )
