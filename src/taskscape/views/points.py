"""Point clouds: what is predicted for an image, in space, and as a file."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from taskscape.modalities import Depth, Normals
from taskscape.views.arrays import Array, Mask, RgbArray
from taskscape.views.base import View
from taskscape.views.depth import measurable

SKY = "sky"
"""The class, of any class set, that is nowhere in space."""


@dataclass(frozen=True, eq=False)
class PointCloud:
    """Points in camera axes: x right, y down, z forward, the camera at the origin."""

    points: npt.NDArray[np.float32]
    """(n, 3)."""
    colors: RgbArray
    """(n, 3)."""
    normals: npt.NDArray[np.float32] | None
    """(n, 3) unit vectors in the same axes, where they were predicted."""
    unit: str
    """Of the points: ``metre``, or what one step of relative depth is."""

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.points)

    def ply(self, *comments: str) -> memoryview:
        """Return a binary little-endian PLY file of the cloud, whose head has the unit, the axes and the comments."""
        kinds = [(axis, "<f4") for axis in "xyz"]
        if self.normals is not None:
            kinds += [(f"n{axis}", "<f4") for axis in "xyz"]
        kinds += [(color, "u1") for color in ("red", "green", "blue")]
        names = {"<f4": "float", "u1": "uchar"}
        lines = [
            "ply",
            "format binary_little_endian 1.0",
            f"comment unit {self.unit}",
            "comment axes x right, y down, z forward, camera at the origin",
            *(f"comment {' '.join(comment.split())}" for comment in comments),
            f"element vertex {len(self)}",
            *(f"property {names[kind]} {name}" for name, kind in kinds),
            "end_header\n",
        ]
        head = "\n".join(lines).encode("ascii", "replace")
        content = bytearray(len(head) + len(self) * np.dtype(kinds).itemsize)
        content[: len(head)] = head
        vertices: npt.NDArray[Any] = np.frombuffer(content, np.dtype(kinds), offset=len(head))
        for number, axis in enumerate("xyz"):
            vertices[axis] = self.points[:, number]
            if self.normals is not None:
                vertices[f"n{axis}"] = self.normals[:, number]
        for number, color in enumerate(("red", "green", "blue")):
            vertices[color] = self.colors[:, number]
        return memoryview(content)


def in_space(depth: Array, focal: float) -> npt.NDArray[np.float32]:
    """Return the points, (H, W, 3), at depths along the optical axis, (H, W).

    The pinhole camera is that of generated streets: its focal length is in pixels, the optical axis meets the middle of
    the image, and the center of the top left pixel is (0, 0). So the pixel (u, v) of depth z lies at
    ((u - cx) z / focal, (v - cy) z / focal, z), where cx = (W - 1) / 2 and cy = (H - 1) / 2.
    """
    height, width = depth.shape
    points = np.empty((height, width, 3), np.float32)
    points[..., 0] = ((np.arange(width) - (width - 1) / 2) / focal).astype(np.float32) * depth
    points[..., 1] = ((np.arange(height) - (height - 1) / 2) / focal).astype(np.float32)[:, None] * depth
    points[..., 2] = depth
    return points


def depth_of(views: Mapping[str, View[Any]]) -> str | None:
    """Return the first task whose values are depth; None where there is none."""
    return next((name for name, view in views.items() if isinstance(view.modality, Depth)), None)


def in_sky(arrays: Mapping[str, Array], views: Mapping[str, View[Any]]) -> Mask | None:
    """Return where a predicted class is the sky, (H, W); None where no task has such a class."""
    for name, view in views.items():
        if SKY in (classes := list(view.classes)):
            return np.asarray(arrays[name] == classes.index(SKY))
    return None


def point_cloud(
    image: RgbArray,
    arrays: Mapping[str, Array],
    views: Mapping[str, View[Any]],
    focal: float,
    *,
    color: str = "image",
    farthest: float = np.inf,
) -> PointCloud:
    """Return the points of an image, (H, W, 3), by what is predicted for it.

    ``arrays`` and ``views`` are by task, depth among them; ``focal`` is the focal length in pixels, as ``in_space``
    takes it. The sky is left out, where a class says what it is, and so is depth that is not positive and finite or
    that is ``farthest`` or more, where a network means no distance any more. Points have the color of the ``image``, or
    that in which the view of a task, named by ``color``, shows them; normals where a task has them.

    Raises ``ValueError`` where no task is depth.
    """
    task = depth_of(views)
    if task is None:
        raise ValueError(f"a point cloud needs depth, and there is {', '.join(views) or 'no task'}")
    depth = arrays[task]
    shown = measurable(depth) & (depth < farthest)
    if (sky := in_sky(arrays, views)) is not None:
        shown &= ~sky
    colors = image if color == "image" else views[color].colorize(views[color].comparable(arrays[color]))
    facing = next((name for name, view in views.items() if isinstance(view.modality, Normals)), None)
    normals = None if facing is None else arrays[facing][shown].astype(np.float32)
    modality = views[task].modality
    return PointCloud(in_space(depth, focal)[shown], colors[shown], normals, modality.unit)
