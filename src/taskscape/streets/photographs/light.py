"""Light as in photographs: low winter sun, white sky, dusk between houses."""

import math

from taskscape.streets.colors import mix, scaled
from taskscape.streets.dice import Dice
from taskscape.streets.street import Exposure
from taskscape.streets.weather import Weather, direction

BRIGHT, LOW_SUN, OVERCAST, DUSK, RAIN, HIGH_SUN = range(6)


def build_light(dice: Dice, open_sky: float) -> Weather:
    """Return random light with its sun and sky; ``open_sky`` is the share of the sky not hidden by houses, 0..1."""
    sky = dice.weighted({BRIGHT: 0.18, LOW_SUN: 0.34, OVERCAST: 0.18, DUSK: 0.13, RAIN: 0.04, HIGH_SUN: 0.13})
    azimuth = dice.uniform(-math.pi, math.pi)
    degrees = {LOW_SUN: dice.uniform(7, 24), HIGH_SUN: dice.uniform(35, 65), BRIGHT: dice.uniform(15, 45)}.get(sky, 78)
    sun = direction(math.radians(degrees), azimuth)
    haze = 0.0002 + 0.002 * dice.random() ** 3
    if sky in (LOW_SUN, HIGH_SUN, BRIGHT):
        pale = dice.random()
        if sky == BRIGHT:  # thin clouds: white sky, weak shadows
            horizon = scaled(mix((1.0, 1.0, 1.0), (0.82, 0.92, 1.0), pale), dice.uniform(1.0, 1.9))
            zenith = mix(horizon, (0.5, 0.7, 1.0), dice.uniform(0.1, 0.7))
            power, ambient = dice.uniform(0.5, 1.5), dice.uniform(0.45, 0.7)
        else:
            horizon = scaled(mix((0.95, 0.93, 0.88), (0.7, 0.86, 1.0), pale), dice.uniform(0.9, 1.7))
            zenith = scaled(mix((0.35, 0.55, 0.9), (0.15, 0.32, 0.72), dice.random()), dice.uniform(0.8, 1.4))
            power, ambient = dice.uniform(1.8, 3.2), dice.uniform(0.22, 0.42)
        warm = mix((1.0, 0.95, 0.88), (1.0, 0.72, 0.45), 0.8 * dice.random() if sky == LOW_SUN else 0.1)
        return Weather(
            sun=sun, sunlight=scaled(warm, power), softness=0.2, zenith=zenith, horizon=horizon,
            ambient=ambient * open_sky, glow=dice.uniform(0.3, 1.2), clouds=dice.uniform(0.0, 0.5), fog=haze,
            fog_color=horizon, wetness=0.0, snow=0.0, night=0.0,
        )  # fmt: skip
    gray = dice.uniform(0.3, 0.7) if sky == DUSK else dice.uniform(0.9, 2.0)
    tint = dice.uniform(0.0, 0.12)
    horizon = (gray, gray * (1 + 0.5 * tint), gray * (1 + tint))
    night = dice.uniform(0.0, 0.5) if sky == DUSK else (dice.uniform(0.0, 0.3) if sky == RAIN else 0.0)
    soft = 0.32 if sky != DUSK else 0.15
    return Weather(
        sun=sun, sunlight=(soft, soft * 1.02, soft * 1.05), softness=3.0,
        zenith=scaled(horizon, dice.uniform(0.55, 1.0)), horizon=horizon,
        ambient=open_sky * (dice.uniform(0.2, 0.4) if sky == DUSK else dice.uniform(0.5, 0.8)), glow=0.0,
        clouds=dice.uniform(0.3, 1.0), fog=haze + (0.004 * dice.random() if sky == RAIN else 0.0), fog_color=horizon,
        wetness=dice.uniform(0.4, 0.9) if sky == RAIN else 0.1 * dice.random(), snow=0.0, night=night,
    )  # fmt: skip


def build_exposure(dice: Dice, weather: Weather) -> Exposure:
    """Return a random exposure, from dark streets under a bright sky to a white sky over bright streets."""
    is_sunny = weather.softness < 1
    shoulder = dice.uniform(0.9, 4.0)
    return Exposure(
        target=0.15 + (0.65 if is_sunny else 0.4) * dice.random() ** 1.3,
        tone=(1 + shoulder, shoulder, dice.uniform(0.3, 0.95)),
        balance=(1 + 0.06 * dice.normal(), 1 + 0.015 * dice.normal(), 1 + 0.07 * dice.normal()),
        noise=0.003 + 0.018 * dice.random() ** 2,
    )
