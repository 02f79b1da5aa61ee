"""Weather and time of day, which determine the light and the air of a street."""

import math
from typing import NamedTuple

from taskscape.streets.colors import Color, mix, scaled
from taskscape.streets.dice import Dice


class Weather(NamedTuple):
    """Light and air. Radiances are relative; that of a white surface in full sun is about 2.5."""

    sun: tuple[float, float, float]
    """Unit vector towards the light that casts shadows, in world axes (y down)."""
    sunlight: Color
    softness: float
    """Width of shadow edges, from 0 (sharp) to 3 (overcast)."""
    zenith: Color
    horizon: Color
    ambient: float
    """Strength of the light from the sky."""
    glow: float
    """Strength of the halo around the sun."""
    clouds: float
    """Cloud cover, 0..1."""
    fog: float
    """Extinction, 1/m."""
    fog_color: Color
    wetness: float
    """From 0 (dry) to 1 (puddles everywhere)."""
    snow: float
    """From 0 (none) to 1 (white ground)."""
    night: float
    """From 0 (lamps off) to 1 (lamps, windows and headlights bright)."""


CLEAR, LOW_SUN, OVERCAST, RAIN, FOG, DUSK, DENSE_FOG, NIGHT, SNOW = range(9)

USUAL = {CLEAR: 0.34, LOW_SUN: 0.16, OVERCAST: 0.18, RAIN: 0.12, FOG: 0.1, DUSK: 0.1}
SHIFTED = {LOW_SUN: 0.1, DENSE_FOG: 0.3, NIGHT: 0.3, SNOW: 0.3}


def direction(elevation: float, azimuth: float) -> tuple[float, float, float]:
    """Return the unit vector, in world axes, at these angles above the horizon and to the right of z, in radians."""
    horizontal = math.cos(elevation)
    return horizontal * math.sin(azimuth), -math.sin(elevation), horizontal * math.cos(azimuth)


def build_weather(dice: Dice, shifted: bool) -> Weather:
    """Return random weather with its sun, sky and fog."""
    kind = dice.weighted(SHIFTED if shifted else USUAL)
    azimuth = dice.uniform(-math.pi, math.pi)
    haze = dice.random() ** 3 * 0.004
    high = math.radians(dice.uniform(24, 68))
    if kind == CLEAR:
        horizon = mix((0.74, 0.80, 0.88), (0.5, 0.66, 0.9), dice.random())
        return Weather(
            sun=direction(high, azimuth), sunlight=(2.35, 2.2, 1.95), softness=0.0, zenith=(0.12, 0.29, 0.7),
            horizon=horizon, ambient=dice.uniform(0.3, 0.46), glow=0.5, clouds=dice.uniform(0.05, 0.6), fog=haze,
            fog_color=horizon, wetness=0.0, snow=0.0, night=0.0,
        )  # fmt: skip
    if kind == LOW_SUN:
        warmth = dice.random()
        horizon = mix((0.97, 0.86, 0.66), (1.0, 0.66, 0.42), warmth)
        return Weather(
            sun=direction(math.radians(dice.uniform(8, 20)), azimuth),
            sunlight=mix((2.3, 1.8, 1.2), (2.3, 1.4, 0.7), warmth), softness=0.2,
            zenith=(0.24, 0.38, 0.66), horizon=horizon, ambient=0.36, glow=1.0,
            clouds=dice.uniform(0.1, 0.6), fog=haze + 0.0015, fog_color=horizon, wetness=0.0, snow=0.0, night=0.0,
        )  # fmt: skip
    if kind in (OVERCAST, RAIN, SNOW):
        gray = dice.uniform(0.6, 0.85)
        horizon = (gray, gray * 1.02, gray * 1.05)
        rain = kind == RAIN
        return Weather(
            sun=direction(math.radians(78), azimuth), sunlight=(0.32, 0.33, 0.34), softness=3.0,
            zenith=(gray * 0.62, gray * 0.67, gray * 0.74), horizon=horizon, ambient=dice.uniform(0.7, 1.0), glow=0.0,
            clouds=dice.uniform(0.6, 1.0), fog=haze + (dice.uniform(0.002, 0.009) if rain or kind == SNOW else 0.0),
            fog_color=horizon, wetness=dice.uniform(0.55, 1.0) if rain else 0.15 * dice.random(),
            snow=dice.uniform(0.5, 1.0) if kind == SNOW else 0.0, night=dice.uniform(0.1, 0.4) if rain else 0.0,
        )  # fmt: skip
    if kind in (FOG, DENSE_FOG):
        gray = dice.uniform(0.62, 0.85)
        white = (gray, gray * 1.01, gray * 1.02)
        return Weather(
            sun=direction(math.radians(76), azimuth), sunlight=(0.3, 0.3, 0.29), softness=3.0, zenith=white,
            horizon=white, ambient=0.8, glow=0.1, clouds=0.1,
            fog=dice.uniform(0.007, 0.02) if kind == FOG else dice.uniform(0.022, 0.045), fog_color=white,
            wetness=0.3 * dice.random(), snow=0.0, night=dice.uniform(0.0, 0.3),
        )  # fmt: skip
    dim = 1.0 if kind == DUSK else 0.3
    blue = dice.random()
    horizon = scaled(mix((0.62, 0.42, 0.34), (0.34, 0.38, 0.52), blue), dim)
    return Weather(
        sun=direction(math.radians(65), azimuth), sunlight=scaled((0.05, 0.06, 0.09), dim), softness=3.0,
        zenith=scaled((0.09, 0.14, 0.3), dim), horizon=horizon, ambient=0.5, glow=0.0,
        clouds=dice.uniform(0.2, 0.8), fog=haze + 0.001,
        fog_color=mix(horizon, scaled((0.2, 0.22, 0.27), dim), 0.5),
        wetness=dice.uniform(0.5, 0.9) if dice.chance(0.3) else 0.0, snow=0.0, night=dice.uniform(0.7, 1.0),
    )  # fmt: skip
