"""Labels at pixel centers: class, instance and depth; and boundaries."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from taskscape.streets.classes import SKY
from taskscape.streets.compiled import compiled
from taskscape.streets.render.raster import Grid, Visible


class Labels(NamedTuple):
    """One value per pixel, all (H, W)."""

    semseg: npt.NDArray[np.uint8]
    """Cityscapes train ids."""
    instances: npt.NDArray[np.int32]
    """1, 2, … for each thing, 0 elsewhere."""
    depth: npt.NDArray[np.float32]
    """Meters along the optical axis, 0 in the sky."""


@compiled
def _read(
    visible: Visible, grid: Grid, face_part: npt.NDArray[np.int32], classes: npt.NDArray[np.uint8],
    instances: npt.NDArray[np.int32], labels: Labels,
) -> None:  # fmt: skip
    """Write ``labels``."""
    sheer = visible.sheer_face.shape[0] > 0
    for v in range(labels.depth.shape[0]):
        row = v * grid.density + grid.offset
        for u in range(labels.depth.shape[1]):
            column = u * grid.density + grid.offset
            face, inverse_depth = visible.face[row, column], visible.inverse_depth[row, column]
            if sheer and visible.sheer_face[row, column] >= 0:  # holes belong to their surface
                face, inverse_depth = visible.sheer_face[row, column], visible.sheer_inverse_depth[row, column]
            if face < 0:
                labels.semseg[v, u], labels.instances[v, u], labels.depth[v, u] = SKY, 0, 0.0
                continue
            part = face_part[face]
            labels.semseg[v, u], labels.instances[v, u] = classes[part], instances[part]
            labels.depth[v, u] = 1 / inverse_depth


def read_labels(
    visible: Visible,
    grid: Grid,
    face_part: npt.NDArray[np.int32],
    classes: npt.NDArray[np.uint8],
    instances: npt.NDArray[np.int32],
) -> Labels:
    """Return the labels of an image.

    ``face_part``: the part of each face, (F,); ``classes``, ``instances``: those of each part, (P,).
    """
    size = grid.height // grid.density, grid.width // grid.density
    labels = Labels(np.empty(size, np.uint8), np.empty(size, np.int32), np.empty(size, np.float32))
    _read(visible, grid, face_part, classes, instances, labels)
    return labels


def find_boundaries(semseg: npt.NDArray[np.uint8], instances: npt.NDArray[np.int32]) -> npt.NDArray[np.uint8]:
    """Return (H, W) 1 where the class or instance differs from that of the pixel above, below, left or right; else 0.

    Both sides of an edge are marked, so lines are two pixels thick; the border of the image is not a boundary.
    """
    boundaries = np.zeros(semseg.shape, np.uint8)
    for a, b in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        differs = (semseg[a] != semseg[b]) | (instances[a] != instances[b])
        boundaries[a] |= differs
        boundaries[b] |= differs
    return boundaries
