"""What the renderer draws: a street with all that its pixels depend on, in world axes (x right, y down, z forward)."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from taskscape.streets.render.shadow import Shadows
from taskscape.streets.render.spot import RoadPaint
from taskscape.streets.render.transform import Mesh
from taskscape.streets.weather import Weather


class World(NamedTuple):
    """A street, ready to be shaded."""

    mesh: Mesh
    ground_parts: int
    """How many of the mesh's parts are ground; these come first."""
    ground_looks: npt.NDArray[np.float64]
    """(ground parts, 10) class, material, color, second color and seed of each."""
    parts: npt.NDArray[np.void]
    """(P - ground parts,) records of ``assembly.PART``: the parts that are not ground."""
    paint: RoadPaint
    weather: Weather
    lamps: npt.NDArray[np.float64]
    """(n, 3) points of the burning street lamps, metres."""
    shadows: Shadows
    noise: npt.NDArray[np.float32]
    """(512, 512) the noise of all textures and of the clouds."""
    drift: float
    """How far the wind has moved the clouds."""
