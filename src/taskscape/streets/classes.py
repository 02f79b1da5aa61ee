"""Train ids of the 19 Cityscapes classes, as named constants."""

from taskscape.modalities.class_sets import CITYSCAPES_19

(
    ROAD, SIDEWALK, BUILDING, WALL, FENCE, POLE, TRAFFIC_LIGHT, TRAFFIC_SIGN, VEGETATION, TERRAIN, SKY, PERSON, RIDER,
    CAR, TRUCK, BUS, TRAIN, MOTORCYCLE, BICYCLE,
) = range(len(CITYSCAPES_19))  # fmt: skip

THINGS = (PERSON, RIDER, CAR, TRUCK, BUS, TRAIN, MOTORCYCLE, BICYCLE)
"""Classes with instance labels in Cityscapes: humans and vehicles."""
