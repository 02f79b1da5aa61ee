"""Whether labels lie on their images: where a label changes, so should the image, more than in its mirror image."""

from collections import defaultdict
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from taskscape.modalities.base import Array, Mask
from taskscape.modalities.observations import above

Contrast = npt.NDArray[np.float32]

MOTIONS: Mapping[str, tuple[slice, slice]] = {
    "mirrored left to right": (slice(None), slice(None, None, -1)),
    "mirrored top to bottom": (slice(None, None, -1), slice(None)),
    "turned by half": (slice(None, None, -1), slice(None, None, -1)),
}
GAIN = 0.3
"""Of contrast, in units of the image's mean, from which a label fits better moved; a right one is by 1 to 2 worse."""
SHARE = 0.1
"""Of the images with such labels, from which a warning is due: by chance there are up to 2 % in photographs."""
FEWEST = 3
"""Images with such labels from which a warning is due."""


def contrast(image: Array) -> Contrast:
    """Return how much an (H, W, 3) image changes at each pixel, (H, W), 1 on average."""
    red, green, blue = np.moveaxis(image.astype(np.float32), -1, 0)
    gray = red + green + blue
    change = np.zeros_like(gray)
    change[1:] += np.abs(np.diff(gray, axis=0))
    change[:, 1:] += np.abs(np.diff(gray, axis=1))
    change = np.minimum(change, np.float32(4) * change.mean())  # a few sharp edges are not to decide
    return np.asarray(change / max(float(change.mean()), 1e-6), np.float32)


class Alignment:
    """Adds up the images of a split."""

    def __init__(self) -> None:
        self._gains: dict[str, dict[str, float]] = defaultdict(dict)
        """By motion and image: how much more contrast lies under the moved edges than under the edges, or on average.

        Edges that fit their image lie on more contrast than the average, which is 1. Those of labels that say nothing
        about the image, such as normals computed from coarse depth, lie on less, moved or not.
        """

    def add(self, name: str, changes: Contrast, edges: Mask) -> None:
        """Add the contrast of an image, and where its label has edges."""
        count = np.count_nonzero(edges)
        if not 0 < count < edges.size / 2:
            return
        as_it_is = max(1, float(changes[edges].mean()))
        for motion, move in MOTIONS.items():
            self._gains[motion][name] = float(changes[move][edges].mean()) - as_it_is

    def warnings(self) -> list[str]:
        """Return what is to be said, if many labels clearly fit their images better when they are moved."""
        found = {motion: above(gains, GAIN) for motion, gains in self._gains.items()}
        motion, cases = max(found.items(), key=lambda one: one[1].images if one[1] else 0, default=("", None))
        if cases is None or cases.images < max(FEWEST, SHARE * cases.of):
            return []
        return [
            f"the labels of {cases}, fit the images better when they are {motion}: check the orientation of both, also "
            "the one that EXIF states"
        ]
