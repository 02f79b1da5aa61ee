"""Check that labels are aligned with their images: label edges should lie on image edges, not on moved ones.

Nor should they lie on the edges of the image before or after, or fit better when displaced by a few pixels.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from taskscape.data.contrast import Contrast
from taskscape.data.displacement import Displacement
from taskscape.modalities.base import Array, Mask
from taskscape.modalities.observations import above

Motion = Callable[[npt.NDArray[np.generic]], Any]

MOTIONS: Mapping[str, Motion] = {
    "mirrored left to right": np.fliplr,
    "mirrored top to bottom": np.flipud,
    "turned by half": lambda changes: changes[::-1, ::-1],
}
"""Motions of an image, by the motion of a label that undoes the same motion of the label."""
SQUARE_MOTIONS: Mapping[str, Motion] = {
    "transposed (rows and columns exchanged)": np.transpose,
    "transposed and turned by half": lambda changes: changes[::-1, ::-1].T,
    "turned by a quarter to the right": np.rot90,
    "turned by a quarter to the left": lambda changes: np.rot90(changes, -1),
}
"""The same for square images. Labels of other images that are moved like this have another aspect ratio."""
BEFORE, AFTER = "given to the image before", "given to the image after"
GAIN = 0.3
"""Least gain in contrast, in units of the image's mean, at which a label fits better when it is moved. A correct label
loses 1 to 2 instead."""
SHARE = 0.1
"""Least share of images with such labels that triggers a warning. In photographs, chance alone gives up to 2 %."""
FEWEST = 3
"""Least number of images with such labels that triggers a warning."""
FEWEST_COMPARED = 12
"""Least number of images for judging whether labels fit their own image better than others."""
UNRELATED = 1.5
"""Largest mean contrast under the edges of labels that are unrelated to their images. Above it, images are alike."""


class Alignment:
    """Accumulator of how well the label edges of a split fit the images."""

    def __init__(self) -> None:
        self._displacement = Displacement()
        self._others = Others()
        self._previous: tuple[str, Array, Mask, float] | None = None
        """Name, contrast, label edges, and contrast under these, of the image that was added last."""
        self._gains: dict[str, dict[str, float]] = defaultdict(dict)
        """By motion and image: contrast under the moved edges, minus that under the edges where they are (at least 1).

        Edges that fit their image lie on more contrast than the average, which is 1. Edges that are unrelated to the
        image, such as those of normals computed from coarse depth, lie on less, moved or not.
        """

    def add(self, name: str, contrast: Contrast, edges: Mask, valid: Mask) -> None:
        """Add the contrast of an image, the mask of its label's edges and that of its labeled pixels.

        Edges that another motion of the label would move to pixels without a label are not compared under it.
        """
        count = np.count_nonzero(edges)
        if not 0 < count < edges.size / 2:
            return
        changes = contrast.values
        unmoved_contrast = max(1, float(changes[edges].mean()))
        height, width = edges.shape
        for motion, move in (MOTIONS if height != width else {**MOTIONS, **SQUARE_MOTIONS}).items():
            compared = edges & move(valid)
            if np.count_nonzero(compared) > count / 2:
                there = max(1, float(changes[compared].mean()))
                self._gains[motion][name] = float(move(changes)[compared].mean()) - there
        if self._previous is not None:
            previous, previous_changes, previous_edges, previous_contrast = self._previous
            self._gains[BEFORE][name] = float(previous_changes[edges].mean()) - unmoved_contrast
            self._gains[AFTER][previous] = float(changes[previous_edges].mean()) - previous_contrast
        self._previous = name, changes, edges, unmoved_contrast
        self._displacement.add(name, contrast, edges)
        self._others.add(name, changes, edges)

    def warnings(self) -> list[str]:
        """Return a warning if many labels clearly fit their images better when they are moved or displaced."""
        by_motion = {motion: above(gains, GAIN) for motion, gains in self._gains.items()}
        motion, cases = max(by_motion.items(), key=lambda item: item[1].images if item[1] else 0, default=("", None))
        if (cases is None or cases.images < cases.of / 2) and (
            others := self._displacement.warnings() or self._others.warnings()
        ):
            return others
        if cases is None or cases.images < max(FEWEST, SHARE * cases.of):
            return []
        remedy = "check the orientation of both, including the EXIF orientation"
        if motion in (BEFORE, AFTER):
            remedy = "check that images and labels are numbered alike"
        return [f"the labels of {cases}, fit the images better when they are {motion}: {remedy}"]


class Others:
    """Accumulator of how much better labels fit their own image than the images before."""

    def __init__(self) -> None:
        self._sum: Array | None = None
        """Sum of the contrasts of all images so far."""
        self._own: dict[str, float] = {}
        """By image: contrast under the edges of its label."""
        self._surplus: list[float] = []
        """The same, minus the mean contrast of the images before under these edges."""

    def add(self, name: str, changes: Array, edges: Mask) -> None:
        """Add the contrast of an image, (H, W), and the mask of its label's edges."""
        own = float(changes[edges].mean())
        if self._sum is not None:
            self._surplus.append(own - float(self._sum[edges].mean()) / (len(self._surplus) + 1))
        self._sum = changes if self._sum is None else self._sum + changes
        self._own[name] = own

    def warnings(self) -> list[str]:
        """Return a warning if the labels fit their own images no better than others, up to chance.

        Edges that avoid the contrast of their own image, as those of normals computed from coarse depth may, are
        related to it too.
        """
        own, surplus = list(self._own.values()), np.array(self._surplus)
        if len(surplus) < FEWEST_COMPARED or np.mean(own) > UNRELATED:
            return []
        if abs(surplus.mean()) > 2 * surplus.std() / np.sqrt(len(surplus)):
            return []
        return [
            f"the labels of {len(own)} images, such as {next(iter(self._own))}, fit the other images as well as their "
            "own: check that images and labels of one name belong together"
        ]
