"""Train ids of the 19 Cityscapes classes by name, so that objects say what they are."""

from taskscape.modalities.class_sets import CITYSCAPES_19

(
    ROAD, SIDEWALK, BUILDING, WALL, FENCE, POLE, TRAFFIC_LIGHT, TRAFFIC_SIGN, VEGETATION, TERRAIN, SKY, PERSON, RIDER,
    CAR, TRUCK, BUS, TRAIN, MOTORCYCLE, BICYCLE,
) = range(len(CITYSCAPES_19))  # fmt: skip

THINGS = (PERSON, RIDER, CAR, TRUCK, BUS, TRAIN, MOTORCYCLE, BICYCLE)
"""Classes that Cityscapes labels instance by instance: humans and vehicles."""
