"""Streets in the style ``photographs``: what a car's camera shows in European towns.

Worn roads and sidewalks of the same gray, rows of houses and shops close to the curb, parked cars at both sides, bare
trees, railings, low sun and white sky. The grammar is another than that of the style ``classic``, but objects, labels
and renderer are the same.
"""
