"""Textures of materials: color, gloss and glow at a point of a part.

A texture is a function from a ``Spot`` to (red, green, blue, gloss, glow). To add one, name it in ``materials.py``,
write its function and call it in ``by_material.py``. Details smaller than ``spot.footprint`` should fade out, as the
renderer uses few samples.
"""

from taskscape.streets.render.textures.by_material import ground, surface
from taskscape.streets.render.textures.sheer import cover

__all__ = ["cover", "ground", "surface"]
