"""Modalities in words, for commands: ``semseg:cityscapes-19``, ``depth``, ``depth:relative``, ``normals``."""

from taskscape.modalities.albedo import Albedo
from taskscape.modalities.base import Modality
from taskscape.modalities.boundaries import Boundaries
from taskscape.modalities.class_sets import CLASS_SETS
from taskscape.modalities.depth import Depth
from taskscape.modalities.normals import Normals
from taskscape.modalities.semseg import Semseg
from taskscape.serialization import nearest

WORDS: dict[str, Modality] = {
    **{f"semseg:{name}": Semseg(classes) for name, classes in CLASS_SETS.items()},
    "depth": Depth(),
    "depth:relative": Depth(metric=False),
    "normals": Normals(),
    "boundaries": Boundaries(),
    "albedo": Albedo(),
}
"""By the word."""


def modality_of(word: str) -> Modality:
    """Return the modality of a word. Raises ``ValueError`` with the nearest words."""
    if word not in WORDS:
        known = ", ".join(WORDS)
        raise ValueError(f"there is no {word!r}{nearest(word, WORDS) or f'; there is {known}'}")
    return WORDS[word]
