"""Generated street scenes. The same (seed, split, index) always gives the same image and labels."""

from taskscape.streets.camera import Camera
from taskscape.streets.many import render_many
from taskscape.streets.scene import GRAMMAR_VERSION, SPLITS, STYLES, Scene, check_arguments, render

__all__ = ["GRAMMAR_VERSION", "SPLITS", "STYLES", "Camera", "Scene", "check_arguments", "render", "render_many"]
