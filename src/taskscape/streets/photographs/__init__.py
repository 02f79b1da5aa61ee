"""Streets in the style ``photographs``: European towns as seen by a car's camera.

They have worn roads and sidewalks of the same gray, rows of houses and shops close to the curb, parked cars on both
sides, bare trees, railings, low sun and white sky. The grammar differs from that of the style ``classic``; objects,
labels and renderer are the same.
"""
