"""Roads of old towns: narrow, with curbs close to the lanes and cars parked on both sides."""

import math

from taskscape.streets.dice import Dice
from taskscape.streets.road import AHEAD, Lane, Marking, Road

HIGH_STREET, TERRACES, LEAFY, WIDE = range(4)
"""Kinds of streets: shops; rows of houses; trees behind railings; several lanes, with low houses far back."""


def build_road(dice: Dice, kind: int) -> Road:
    """Return a road; traffic keeps to the left or to the right."""
    driving_side = 1 if dice.chance(0.5) else -1
    lane_width = dice.uniform(2.6, 3.4) if kind != WIDE else dice.uniform(3.0, 3.7)
    each_way = 2 if kind == WIDE and dice.chance(0.6) else 1
    one_way = kind in (HIGH_STREET, TERRACES) and dice.chance(0.2)
    parking_share = {HIGH_STREET: 0.24, TERRACES: 0.75, LEAFY: 0.4, WIDE: 0.12}[kind]
    left, right = (dice.uniform(1.9, 2.2) if dice.chance(parking_share) else 0.0 for _ in range(2))
    lanes, markings = [], []
    if one_way:
        lanes.append(Lane(0.0, 1, lane_width))
        half_lanes = 0.5 * lane_width
    else:
        half_lanes = each_way * lane_width
        for side in (-1, 1):
            for i in range(each_way):
                lanes.append(Lane(side * (i + 0.5) * lane_width, side * driving_side, lane_width))
                if i:
                    markings.append(Marking(side * i * lane_width, True))
        if dice.chance(0.85 if kind != TERRACES else 0.4):
            markings.append(Marking(0.0, dice.chance(0.8)))
        if kind == WIDE and dice.chance(0.3):  # a hatched median
            markings += [Marking(-0.5, False), Marking(0.5, False)]
    half_road = half_lanes + dice.uniform(0.15, 0.6)
    if left and right:
        half_road += max(left, right)
    elif left or right:
        # The curbs are symmetric; with parking on one side only, the lanes move towards the other curb.
        half_road += 0.6 * max(left, right)
        shift = 0.4 * left if left else -0.4 * right
        lanes = [Lane(lane.lateral + shift, lane.direction, lane.width) for lane in lanes]
        markings = [Marking(m.lateral + shift, m.dashed) for m in markings]
    elif kind in (LEAFY, WIDE) and dice.chance(0.3):  # cycle lanes
        half_road += 1.3
        markings += [Marking(side * (half_road - 1.4), True) for side in (-1, 1)]
    sidewalk_range = {HIGH_STREET: (1.3, 3.4), TERRACES: (1.2, 2.4), LEAFY: (1.4, 4.0), WIDE: (1.4, 4.5)}[kind]
    sidewalks = tuple(0.2 if kind == WIDE and dice.chance(0.3) else dice.uniform(*sidewalk_range) for _ in range(2))
    banks = tuple(dice.uniform(-0.03, 0.15) if kind == WIDE and dice.chance(0.5) else 0.0 for _ in range(2))
    road = Road(
        bend=dice.normal() * (0.0012 if kind == HIGH_STREET else 0.002),
        sway=dice.uniform(-0.5, 0.5),
        slope=dice.normal() * 0.009,
        hill=dice.normal() * 0.4,
        phase=dice.uniform(0, 6.28),
        curb=dice.uniform(0.06, 0.15),
        half_road=half_road,
        parking=(left, right),
        sidewalks=(sidewalks[0], sidewalks[1]),
        bank=(banks[0], banks[1]),
        lanes=lanes,
        markings=markings,
        median=0.0,
        junction=dice.uniform(9, 60) if dice.chance(0.5) else math.inf,
        half_junction=dice.uniform(3, 6.5) * (1.4 if kind == WIDE else 1.0),
    )
    if road.junction < AHEAD and dice.chance(0.25):
        road.zebras.append(road.junction + road.half_junction + 2.6)
    elif dice.chance(0.2):
        road.zebras.append(dice.uniform(9, 30))
    road.zebras[:] = [z for z in road.zebras if not road.in_junction(z, 2.0)]
    return road
