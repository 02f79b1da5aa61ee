"""The renderer's input: a street with all that its pixels depend on, in world axes (x right, y down, z forward)."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from taskscape.streets.render.noise import Table
from taskscape.streets.render.shadow import Shadows
from taskscape.streets.render.spot import RoadPaint
from taskscape.streets.render.transform import Mesh
from taskscape.streets.weather import Weather


class World(NamedTuple):
    """A street that is ready for shading."""

    mesh: Mesh
    ground_looks: npt.NDArray[np.float64]
    """Class, material, color and seed of each ground part, (``GROUND_COUNT``, 6)."""
    parts: npt.NDArray[np.void]
    """Records of ``assembly.PART`` for all parts except the ground, (P - ``GROUND_COUNT``,)."""
    paint: RoadPaint
    weather: Weather
    lamps: npt.NDArray[np.float64]
    """Points of the street lamps in meters, (n, 3)."""
    shadows: Shadows
    noise: Table
    """Noise table of all textures and of the clouds, (512, 512)."""
    drift: float
    """Offset of the clouds."""
