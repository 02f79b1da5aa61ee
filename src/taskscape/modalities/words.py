"""Names of modalities on the command line: ``semseg:cityscapes-19``, ``depth``, ``depth:relative``, ``normals``."""

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
"""The modalities by their name on the command line."""


def modality_of(word: str) -> Modality:
    """Return the modality with this name. Raises ``ValueError`` with the nearest names."""
    if word not in WORDS:
        known = ", ".join(WORDS)
        raise ValueError(f"there is no modality {word!r}{nearest(word, WORDS) or f'; choose from {known}'}")
    return WORDS[word]
