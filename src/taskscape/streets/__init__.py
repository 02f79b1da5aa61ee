"""Generated street scenes: from (seed, split, index) always the same picture, classes, depth and normals."""

from taskscape.streets.camera import Camera
from taskscape.streets.scene import GRAMMAR_VERSION, SPLITS, Scene, render
from taskscape.streets.synth import Progress, render_many, write_miniscapes

__all__ = ["GRAMMAR_VERSION", "SPLITS", "Camera", "Progress", "Scene", "render", "render_many", "write_miniscapes"]
