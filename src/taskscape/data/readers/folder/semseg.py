"""The section of class labels: ids, or the colors of a palette."""

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from typing_extensions import override

from taskscape.data.readers.folder.section import Section
from taskscape.modalities import CLASS_SETS, IGNORE_INDEX, ClassSet, Semseg
from taskscape.modalities.base import Array, Mask
from taskscape.serialization import nearest

_Name = str | bool | int | float
_BLACK_AND_WHITE = (0, (1 << 24) - 1)


@dataclass(frozen=True, kw_only=True)
class SemsegSection(Section):
    """Class labels."""

    name: ClassVar[str] = "semseg"

    classes: str | dict[int | str, _Name] | list[_Name]
    """Name by id in the files; or a list, from 0; or the name of a class set."""
    palette: list[tuple[int, int, int]] | None = None
    """RGB in the order of the classes."""
    void: tuple[int, ...] = (IGNORE_INDEX,)
    """Ids without a class."""

    def __post_init__(self) -> None:
        """Check the classes. Raises ``ValueError``."""
        self.class_set()

    @override
    def modality(self) -> Semseg:
        return Semseg(self.class_set())

    def class_set(self) -> ClassSet:
        """Return the classes in the order of the file. Raises ``ValueError`` where names and colors disagree."""
        if isinstance(self.classes, str):
            if self.classes not in CLASS_SETS:
                raise ValueError(f"classes: there is no class set {self.classes!r}{nearest(self.classes, CLASS_SETS)}")
            return CLASS_SETS[self.classes]
        names = tuple(map(str, self.classes.values() if isinstance(self.classes, dict) else self.classes))
        if not 0 < len(names) < IGNORE_INDEX:
            raise ValueError(f"classes has {len(names)} classes: 1 … {IGNORE_INDEX - 1} are possible")
        for known in CLASS_SETS.values():
            if known.classes == names and self.palette is None:
                return known
        return ClassSet("own", names, tuple(self.palette or map(_distinct_color, range(len(names)))))

    @override
    def read(self, stored: Array, exact: bool) -> tuple[Array, Mask]:
        """Return ids of the class set, from ids or, of an RGB image, colors."""
        if stored.ndim == 3 and not exact:
            colors = _packed(stored[..., :3])
            known = _packed(np.array(self.class_set().palette)).tolist()
            ids = _look_up(colors, known, [color for color in _BLACK_AND_WHITE if color not in known])
        else:
            known = list(map(int, self.classes)) if isinstance(self.classes, dict) else range(len(self.class_set()))
            ids = _look_up(stored.reshape(stored.shape[:2]), known, self.void)
        return ids, ids != IGNORE_INDEX


def _look_up(stored: Array, known: Sequence[int], void: Sequence[int]) -> Array:
    """Return the positions in ``known`` of the values (H, W), and ``IGNORE_INDEX`` for those in ``void``."""
    values, positions = np.unique(stored, return_inverse=True)
    index = {value: position for position, value in enumerate(known)} | dict.fromkeys(void, IGNORE_INDEX)
    if unknown := [value for value in values.tolist() if value not in index]:
        raise ValueError(f"holds {unknown[:5]}, neither classes nor void: name them in classes or void of the section")
    table = np.array([index[value] for value in values.tolist()], np.uint8)
    ids: Array = table[positions].reshape(stored.shape)
    return ids


def _packed(rgb: Array) -> Array:
    """Return colors (..., 3) as one number each."""
    packed: Array = rgb @ np.array([1 << 16, 1 << 8, 1])
    return packed


def _distinct_color(index: int) -> tuple[int, int, int]:
    """Return a color far from its neighbors': hues a golden section from each other."""
    r, g, b = colorsys.hsv_to_rgb(index * 0.618034 % 1, (0.65, 0.9)[index % 2], (0.9, 0.7)[index // 2 % 2])
    return round(255 * r), round(255 * g), round(255 * b)
