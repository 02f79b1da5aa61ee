"""What each pixel shows at its center: class, instance and depth; and the boundaries between them."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from taskscape.streets.classes import SKY
from taskscape.streets.render.raster import Grid, Visible


class Labels(NamedTuple):
    """One value per pixel, all (H, W)."""

    semseg: npt.NDArray[np.uint8]
    """Cityscapes train ids."""
    instances: npt.NDArray[np.int32]
    """1, 2, … for each thing, 0 elsewhere."""
    depth: npt.NDArray[np.float32]
    """Metres along the optical axis, 0 in the sky."""


def read_labels(
    visible: Visible,
    grid: Grid,
    face_part: npt.NDArray[np.int32],
    classes: npt.NDArray[np.uint8],
    instances: npt.NDArray[np.int32],
) -> Labels:
    """Return the labels of an image.

    ``face_part``: (F,) the part that each face belongs to; ``classes``, ``instances``: (P,) of each part.
    """
    centers = slice(grid.offset, None, grid.density)
    face, inverse_depth = visible.face[centers, centers], visible.inverse_depth[centers, centers]
    if visible.sheer_face.size:  # holes count as the surface that has them
        before = visible.sheer_face[centers, centers]
        face = np.where(before >= 0, before, face)
        inverse_depth = np.where(before >= 0, visible.sheer_inverse_depth[centers, centers], inverse_depth)
    solid = face >= 0
    part = face_part[face]
    depth = np.zeros(face.shape, np.float32)
    np.divide(1.0, inverse_depth, out=depth, where=solid, casting="same_kind")
    semseg = np.where(solid, classes[part], np.uint8(SKY))
    return Labels(semseg, np.where(solid, instances[part], np.int32(0)), depth)


def find_boundaries(semseg: npt.NDArray[np.uint8], instances: npt.NDArray[np.int32]) -> npt.NDArray[np.uint8]:
    """Return (H, W) 1 at pixels whose class or instance is not that of the pixel above, below, left or right; else 0.

    Both sides of an edge count, so that lines are two pixels thick; the image's border is no boundary.
    """
    boundaries = np.zeros(semseg.shape, np.uint8)
    for here, there in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        differs = (semseg[here] != semseg[there]) | (instances[here] != instances[there])
        boundaries[here] |= differs
        boundaries[there] |= differs
    return boundaries
