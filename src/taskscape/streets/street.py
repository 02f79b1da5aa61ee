"""A street before rendering: its objects, light and camera."""

from typing import NamedTuple

from taskscape.streets.assembly import Assembly, Point
from taskscape.streets.camera import View
from taskscape.streets.colors import Color
from taskscape.streets.materials import CARRIAGEWAY, GRASS, JUNCTION, PAVEMENT
from taskscape.streets.road import Road
from taskscape.streets.weather import Weather


class GroundColors(NamedTuple):
    """Colors of the ground."""

    road: Color
    sidewalk: Color
    grass: Color
    materials: tuple[int, int, int, int] = (CARRIAGEWAY, JUNCTION, PAVEMENT, GRASS)
    """Materials of carriageway, junction, sidewalk and terrain."""


class Exposure(NamedTuple):
    """The camera's conversion of radiance to an image."""

    target: float
    """Brightness of the scene's mean in the image."""
    balance: Color
    """Factors of red, green and blue."""
    noise: float
    tone: tuple[float, float, float] = (1.18, 0.62, 0.5)
    """The tone curve, (a, b, c): y² = x · a / (x + b) of radiance x, then y + c · y · (1 - y) · (2y - 1), clipped at 1.

    A larger b clips more highlights, a larger c darkens shadows.
    """


class Street(NamedTuple):
    """A complete scene before rendering."""

    road: Road
    assembly: Assembly
    weather: Weather
    view: View
    colors: GroundColors
    lamps: list[Point]
    """World points of the lights of the street lamps."""
    exposure: Exposure
    seed: int
    """Seed of the renderer, 0 … 2^31 - 1."""
