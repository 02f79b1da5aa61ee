"""Point clouds from predictions, and their PLY files."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from taskscape.modalities import Depth, Normals
from taskscape.modalities.base import Array, Mask
from taskscape.views.arrays import RgbArray
from taskscape.views.base import View
from taskscape.views.depth import measurable

SKY = "sky"
"""Name of the class without a position in space, in any class set."""


@dataclass(frozen=True, eq=False)
class PointCloud:
    """Points in camera axes: x right, y down, z forward, the camera at the origin."""

    points: npt.NDArray[np.float32]
    """(n, 3)."""
    colors: RgbArray
    """(n, 3)."""
    normals: npt.NDArray[np.float32] | None
    """(n, 3) unit vectors in the same axes, if they were predicted."""
    unit: str
    """Unit of the points: ``meter``, or the unit of relative depth."""

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.points)

    def ply(self, *comments: str) -> memoryview:
        """Return the cloud as a binary little-endian PLY file, with the unit, axes and comments in its header."""
        dtype = [(axis, "<f4") for axis in "xyz"]
        if self.normals is not None:
            dtype += [(f"n{axis}", "<f4") for axis in "xyz"]
        dtype += [(color, "u1") for color in ("red", "green", "blue")]
        ply_types = {"<f4": "float", "u1": "uchar"}
        lines = [
            "ply",
            "format binary_little_endian 1.0",
            f"comment unit {self.unit}",
            "comment axes x right, y down, z forward, camera at the origin",
            *(f"comment {' '.join(comment.split())}" for comment in comments),
            f"element vertex {len(self)}",
            *(f"property {ply_types[number_type]} {name}" for name, number_type in dtype),
            "end_header\n",
        ]
        header = "\n".join(lines).encode("ascii", "replace")
        content = bytearray(len(header) + len(self) * np.dtype(dtype).itemsize)
        content[: len(header)] = header
        vertices: npt.NDArray[Any] = np.frombuffer(content, np.dtype(dtype), offset=len(header))
        for number, axis in enumerate("xyz"):
            vertices[axis] = self.points[:, number]
            if self.normals is not None:
                vertices[f"n{axis}"] = self.normals[:, number]
        for number, color in enumerate(("red", "green", "blue")):
            vertices[color] = self.colors[:, number]
        return memoryview(content)


def in_space(depth: Array, focal: float) -> npt.NDArray[np.float32]:
    """Return the points, (H, W, 3), of (H, W) depths along the optical axis.

    The pinhole camera is that of generated streets: its focal length is in pixels, the optical axis passes through the
    center of the image, and the center of the top left pixel is (0, 0). So the pixel (u, v) of depth z lies at
    ((u - cx) z / focal, (v - cy) z / focal, z), where cx = (W - 1) / 2 and cy = (H - 1) / 2.
    """
    height, width = depth.shape
    points = np.empty((height, width, 3), np.float32)
    points[..., 0] = ((np.arange(width) - (width - 1) / 2) / focal).astype(np.float32) * depth
    points[..., 1] = ((np.arange(height) - (height - 1) / 2) / focal).astype(np.float32)[:, None] * depth
    points[..., 2] = depth
    return points


def depth_of(views: Mapping[str, View[Any]]) -> str | None:
    """Return the first task that predicts depth; None if there is none."""
    return next((name for name, view in views.items() if isinstance(view.modality, Depth)), None)


def in_sky(arrays: Mapping[str, Array], views: Mapping[str, View[Any]]) -> Mask | None:
    """Return the (H, W) mask of pixels predicted as sky; None if no task has this class."""
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
    """Return the point cloud of an (H, W, 3) image from its predictions.

    ``arrays`` and ``views`` are by task and include depth; ``focal`` is the focal length in pixels, as for
    ``in_space``. Pixels predicted as sky are left out, and so are depths that are not positive and finite or that reach
    ``farthest``, beyond which a network's depth is meaningless. Points have the colors of the ``image``, or those of
    the view of the task named by ``color``; they have normals if a task predicts them.

    Raises ``ValueError`` if no task predicts depth.
    """
    task = depth_of(views)
    if task is None:
        raise ValueError(f"a point cloud needs depth, but the tasks are {', '.join(views) or 'none'}")
    depth = arrays[task]
    included = measurable(depth) & (depth < farthest)
    if (sky := in_sky(arrays, views)) is not None:
        included &= ~sky
    colors = image if color == "image" else views[color].colorize(views[color].comparable(arrays[color]))
    normals_task = next((name for name, view in views.items() if isinstance(view.modality, Normals)), None)
    normals = None if normals_task is None else arrays[normals_task][included].astype(np.float32)
    modality = views[task].modality
    return PointCloud(in_space(depth, focal)[included], colors[included], normals, modality.unit)
