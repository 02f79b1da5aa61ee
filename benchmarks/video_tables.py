"""The table of docs/guide/video.md, from the results of video.py."""

from collections.abc import Mapping
from typing import Any

from table import load, table

_COLUMNS = {
    "flicker": ("flicker", "{:.2f} %"),
    "depth": ("change of depth", "{:.2f} %"),
    "normals": ("change of normals", "{:.2f}°"),
    "semseg/pixel_accuracy": ("accuracy", "{:.2f} %"),
    "semseg/miou": ("mIoU", "{:.1f} %"),
    "depth/abs_rel": ("relative error of depth", "{:.3f}"),
    "normals/mean": ("mean angle", "{:.2f}°"),
}
_CAMERAS = {"pan": "turns", "drive": "drives"}


def smoothing(results: Mapping[str, Any]) -> str:
    """Return a row for each camera motion and way of smoothing."""
    rows = [
        [camera, way.replace("smooth", "`--smooth`"), *(form.format(f[key]) for key, (_, form) in _COLUMNS.items())]
        for kind, camera in _CAMERAS.items()
        for way, f in results[kind]["means"].items()
    ]
    return table(["camera", "smoothing", *(title for title, _ in _COLUMNS.values())], rows, texts=2)


PARTS = {"video-smoothing": lambda: smoothing(load("video"))}
