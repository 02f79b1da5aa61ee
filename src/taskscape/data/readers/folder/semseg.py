"""The section of class labels: the classes, and the ids and colors that stand for them in the files."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from typing_extensions import override

from taskscape.data.readers.colors import Color, pack_colors
from taskscape.data.readers.files import normalized
from taskscape.data.readers.folder.class_reader import ClassReader, shown_in_yaml
from taskscape.data.readers.folder.section import Section
from taskscape.data.readers.samples import Samples, used_values
from taskscape.modalities import CLASS_SETS, IGNORE_INDEX, ClassSet, Semseg
from taskscape.modalities.base import Array, Mask
from taskscape.serialization import counted, listed, nearest

_Name = str | bool | int | float


@dataclass(frozen=True, kw_only=True)
class SemsegSection(Section):
    """Class labels."""

    name: ClassVar[str] = "semseg"
    can_vanish: ClassVar[bool] = True

    classes: str | dict[int | str, _Name] | list[_Name]
    """Names by id in the files; or a list of names, from 0; or the name of a class set. Ids with the same name are one
    class."""
    palette: list[Color] | None = None
    """RGB colors in the order of the classes."""
    void: tuple[int | Color, ...] | None = None
    """Ids and colors without a class; by default 255, unless it is a class. Black and white have none either, unless
    they are classes."""

    @classmethod
    @override
    def plain(cls, keys: dict[str, Any]) -> dict[str, Any]:
        classes, palette, void = keys.get("classes"), keys.get("palette"), keys.get("void")
        if classes is None or classes == {} or classes == []:
            raise ValueError("classes is missing: name them, as {0: road, 1: sky} by id or [road, sky] from 0")
        if not isinstance(classes, str | list | dict):
            raise ValueError(
                f"classes is {classes!r}: give the names, as {{0: road, 1: sky}} by id or [road, sky] from 0"
            )
        if isinstance(classes, dict) and (invalid := [key for key in classes if type(key) not in (int, str)]):
            raise ValueError(f"classes: {invalid[0]!r} is not an id: ids are whole numbers")
        names = list(classes.values()) if isinstance(classes, dict) else [] if isinstance(classes, str) else classes
        if invalid := [n for n in names if n is None or isinstance(n, list | dict) or not str(n).strip()]:
            raise ValueError(
                f"classes: {invalid[0]!r} is not a name: give names, as [road, sky] from 0 or {{0: road, 1: sky}} by id"
            )
        if palette is not None and not isinstance(palette, list):
            raise ValueError("palette must be a list of colors in the order of the classes, such as [[255, 0, 0], …]")
        if invalid := [color for color in palette or () if not (isinstance(color, list) and len(color) == 3)]:
            raise ValueError(f"palette: {invalid[0]!r} is not a color: give three numbers in 0..255, as [255, 0, 0]")
        if isinstance(void, str):
            raise ValueError(f"void is {void!r}: give ids or colors without a class, such as [255, [0, 0, 0]]")
        if isinstance(void, int):
            keys = {**keys, "void": [void]}
        return keys

    def __post_init__(self) -> None:
        """Check the classes. Raises ``ValueError``."""
        self.class_set()
        object.__setattr__(self, "_void_is_stated", self.void is not None)
        is_free = IGNORE_INDEX not in self._ids and (255, 255, 255) not in (self.palette or ())
        void = (IGNORE_INDEX,) if self.void is None and is_free else self.void or ()
        object.__setattr__(self, "void", void)
        if contradictory := [value for value in void if value in self._ids or value in (self.palette or ())]:
            raise ValueError(
                f"void names {shown_in_yaml(contradictory[0])}, which is also a class: remove it from one of them"
            )
        if invalid := [value for value in void if isinstance(value, tuple) and not _is_color(value)]:
            raise ValueError(f"void: {shown_in_yaml(invalid[0])} is not a color: give three numbers in 0..255")

    @override
    def modality(self) -> Semseg:
        return Semseg(self.class_set())

    @override
    def modality_of(self, labels: Sequence[Samples]) -> Semseg:
        """Return the classes; if neither section nor class set has colors, with those of the files' own palette."""
        classes = self.class_set()
        palettes = [label.palette for label in labels if label.palette is not None]
        if self.palette is not None or classes in CLASS_SETS.values() or not palettes:
            return Semseg(classes)
        first_ids = {position: number for number, position in reversed(self._ids.items())}  # the first id of each class
        ids = [first_ids[position] for position in range(len(classes))]
        if not all(0 <= number < len(palettes[0]) for number in ids):
            return Semseg(classes)
        colors = palettes[0][ids]
        if any(not np.array_equal(palette[ids], colors) for palette in palettes):
            return Semseg(classes)
        if len(np.unique(colors, axis=0)) < len(classes) or (colors == colors[:, :1]).all():
            return Semseg(classes)  # the colors do not distinguish the classes, or are only gray levels
        r, g, b = (map(int, channel) for channel in colors.T)
        return Semseg(replace(classes, palette=tuple(zip(r, g, b, strict=True))))

    def class_set(self) -> ClassSet:
        """Return the classes in the order of the file. Raises ``ValueError`` if names and colors do not match."""
        if isinstance(self.classes, str):
            if self.classes not in CLASS_SETS and "." in self.classes:
                raise ValueError(
                    f"classes is {self.classes}: write the names here, as {{0: road, 1: sky}} by id or [road, sky] "
                    "from 0"
                )
            if self.classes not in CLASS_SETS:
                raise ValueError(f"classes: there is no class set {self.classes!r}{nearest(self.classes, CLASS_SETS)}")
        names = tuple(dict.fromkeys(self._entries.values()))
        if not 0 < len(names) < IGNORE_INDEX:
            raise ValueError(f"classes has {len(names)} classes: 1 … {IGNORE_INDEX - 1} are possible")
        if self.palette is None:
            known = (class_set for class_set in CLASS_SETS.values() if class_set.classes == names)
            return next(known, ClassSet("own", names))
        classes_by_color = self._classes_by_color
        colors = [next(color for color, owner in classes_by_color.items() if owner == name) for name in names]
        return ClassSet(self.classes if isinstance(self.classes, str) else "own", names, tuple(colors))

    @cached_property
    def _classes_by_color(self) -> dict[Color, str]:
        """The class of each color; the palette has one color per entry, or one per class. Raises ``ValueError``."""
        palette, owners = self.palette or [], list(self._entries.values())
        if invalid := [color for color in palette if not _is_color(color)]:
            raise ValueError(f"palette: {shown_in_yaml(invalid[0])} is not a color: give three numbers in 0..255")
        if len(palette) != len(owners):
            owners = list(dict.fromkeys(owners))
        if len(palette) != len(owners):
            raise ValueError(
                f"palette: {counted(len(owners), 'name', 'names')} but {counted(len(palette), 'color', 'colors')}: "
                "give one color per class, in their order"
            )
        classes: dict[Color, str] = {}
        for color, owner in zip(palette, owners, strict=True):
            if classes.setdefault(color, owner) != owner:
                raise ValueError(
                    f"palette: {shown_in_yaml(color)} is the color of {classes[color]} and {owner}: give each its own"
                )
        return classes

    @cached_property
    def _entries(self) -> dict[int, str]:
        """The names by id, as written. Raises ``ValueError``."""
        if isinstance(self.classes, str):
            return dict(enumerate(CLASS_SETS[self.classes].classes))
        if isinstance(self.classes, list):
            return {number: _written(name) for number, name in enumerate(self.classes)}
        entries: dict[int, str] = {}
        for key, name in self.classes.items():
            number = _as_int(key)
            if number is None:
                raise ValueError(f"classes: {key!r} is not an id{self._swap_suggestion()}")
            if number in entries:
                raise ValueError(f"classes names the id {number} twice")
            entries[number] = _written(name)
        return entries

    def _swap_suggestion(self) -> str:
        """Return a suggestion for swapped entries such as ``{road: 0}``."""
        pairs = list(self.classes.items()) if isinstance(self.classes, dict) else []
        if any(_as_int(name) is None for _, name in pairs):
            return ": give name by id, such as {0: road, 1: sky}"
        swapped = ", ".join(f"{name}: {key}" for key, name in pairs[:5]) + (", …" if len(pairs) > 5 else "")
        return f": give name by id, {{{swapped}}}"

    @cached_property
    def _ids(self) -> dict[int, int]:
        """The position in the class set of each id in the files."""
        names = self.class_set().classes
        return {number: names.index(name) for number, name in self._entries.items()}

    @cached_property
    def _colors(self) -> dict[int, int]:
        """The position in the class set of each packed color; empty if neither section nor class set has colors."""
        classes = self.class_set()
        if self.palette is None:
            palette = classes.palette if classes in CLASS_SETS.values() else ()
            return {int(pack_colors(color)): number for number, color in enumerate(palette)}
        return {int(pack_colors(color)): classes.classes.index(name) for color, name in self._classes_by_color.items()}

    @cached_property
    def _reader(self) -> ClassReader:
        void = self.void or ()
        return ClassReader(
            self._ids,
            self._colors,
            frozenset(value for value in void if isinstance(value, int)),
            frozenset(int(pack_colors(value)) for value in void if isinstance(value, tuple)),
            self.palette is not None,
        )

    @override
    def doubts(self, labels: Sequence[Samples]) -> str:
        """Return a doubt about a transparent class, foreign or different palettes, a repeated name, or a void 255."""
        labels = [self._reader.plain(label) for label in labels]
        if hidden := self._transparent_classes(labels):
            return (
                f"in the first labels, every pixel of {listed(hidden)} is transparent, and transparent pixels have no "
                "label: if they should have this class, save the files without transparency"
            )
        if foreign := [color for label in labels if (color := self._reader.foreign_color(label)) is not None]:
            return (
                "the palettes of the files have no color of the section's palette, but others such as "
                f"{shown_in_yaml(foreign[0])}, so the indices count as ids: if colors should decide, correct palette; "
                "if not, leave it out"
            )
        if self.palette is None and (index := _ambiguous_index(labels)) is not None:
            return (
                f"the palettes of the files differ: the index {index} has several colors, so one id would mean several "
                "classes; name the color of each class in palette of the section, unless these colors mean nothing"
            )
        if isinstance(self.classes, list) and len(self.class_set()) < len(self.classes):
            name = next(name for name in self.class_set().classes if [*self._entries.values()].count(name) > 1)
            same = [str(number) for number, entry in self._entries.items() if entry == name]
            return f"the list of classes names {name} {len(same)} times, so the ids {' and '.join(same)} are one class"
        if self._ids.keys() != {0, 1} or isinstance(self.classes, str) or vars(self)["_void_is_stated"]:
            return ""
        used = set[int]().union(*(used_values(label.shown(), label.opaque) for label in labels))
        if used != {0, IGNORE_INDEX} or any(label.bits < 8 for label in labels) or self.palette is not None:
            return ""
        first, second = (self._entries[number] for number in (0, 1))
        return (
            f"the first labels hold 0 and 255 only, and 255 counts as void: if it is {second}, set `classes: "
            f"{{0: {first}, 255: {second}}}`; if not, `void: [255]`"
        )

    def _transparent_classes(self, labels: Sequence[Samples]) -> list[str]:
        """Return the classes of which the labels have transparent pixels, and no others."""
        hidden, visible = set[int](), {IGNORE_INDEX}
        for label in labels:
            if label.opaque is not None:
                with suppress(ValueError):  # values below transparent pixels that are no class
                    hidden |= used_values(self._reader.read(replace(label, opaque=None)), ~label.opaque)
            with suppress(ValueError):  # found when the label is read
                visible |= used_values(self._reader.read(label), None)
        return [name for number, name in enumerate(self.class_set().classes) if number in hidden - visible]

    @override
    def read(self, stored: Array, exact: bool) -> tuple[Array, Mask]:
        """Return ids of the class set, from ids or colors."""
        plain = stored[..., 0] if stored.shape[2:] == (1,) else stored
        return self.decode(Samples(plain, 8 * stored.dtype.itemsize, exact))

    @override
    def decode(self, label: Samples) -> tuple[Array, Mask]:
        """Return ids of the class set, by color if the section has a palette and the file has colors."""
        if label.lossy:
            raise ValueError(
                "is in a lossy format, which changes ids at edges: export it again as PNG, or as lossless WebP"
            )
        ids = self._reader.read(label)
        return ids, ids != IGNORE_INDEX


def _written(name: _Name) -> str:
    """Return a name in one form, so that it is one class however it is written."""
    return normalized(str(name)).strip()


def _ambiguous_index(labels: Sequence[Samples]) -> int | None:
    """Return an index that labels use with different colors in their palettes; None if there is none."""
    colors: dict[int, tuple[int, ...]] = {}
    for label in labels:
        if label.palette is not None:
            for index in sorted(used_values(label.values, label.opaque)):
                color = tuple(label.palette[index].tolist())
                if colors.setdefault(index, color) != color:
                    return index
    return None


def _is_color(color: tuple[int, ...]) -> bool:
    return len(color) == 3 and all(0 <= part <= 255 for part in color)


def _as_int(value: object) -> int | None:
    try:
        return None if isinstance(value, bool | float) else int(value)  # type: ignore[call-overload]
    except ValueError:
        return None
