"""The section of class labels: ids, or the colors of a palette."""

import colorsys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from typing_extensions import override

from taskscape.data.readers.colors import Color, pack_colors, unpack_color
from taskscape.data.readers.folder.section import Section
from taskscape.data.readers.labels import look_up
from taskscape.data.readers.samples import Samples
from taskscape.modalities import CLASS_SETS, IGNORE_INDEX, ClassSet, Semseg
from taskscape.modalities.base import Array, Mask
from taskscape.serialization import listed, nearest

_Name = str | bool | int | float
_MANY = 8
"""Unknown values that are not forgotten classes."""
_BLACK_AND_WHITE = (0, (1 << 24) - 1)


@dataclass(frozen=True, kw_only=True)
class SemsegSection(Section):
    """Class labels."""

    name: ClassVar[str] = "semseg"
    can_vanish: ClassVar[bool] = True

    classes: str | dict[int | str, _Name] | list[_Name]
    """Name by id in the files; or a list, from 0; or the name of a class set. Ids with one name are one class."""
    palette: list[Color] | None = None
    """RGB in the order of the classes."""
    void: tuple[int | Color, ...] | None = None
    """Ids and colors without a class; by default 255, black and white, unless they are classes."""

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
        if isinstance(classes, dict) and (wrong := [key for key in classes if type(key) not in (int, str)]):
            raise ValueError(f"classes: {wrong[0]!r} is no id: ids are whole numbers")
        names = list(classes.values()) if isinstance(classes, dict) else [] if isinstance(classes, str) else classes
        if wrong := [name for name in names if name in ("", None) or isinstance(name, list | dict)]:
            raise ValueError(f"classes: {wrong[0]!r} is no name")
        if palette is not None and not (
            isinstance(palette, list) and all(isinstance(color, list) for color in palette)
        ):
            raise ValueError("palette must be a list of colors in the order of the classes, such as [[255, 0, 0], …]")
        if isinstance(void, int):
            keys = {**keys, "void": [void]}
        return keys

    def __post_init__(self) -> None:
        """Check the classes. Raises ``ValueError``."""
        self.class_set()
        object.__setattr__(self, "_void_is_stated", self.void is not None)
        void = (IGNORE_INDEX,) if self.void is None and IGNORE_INDEX not in self._ids else self.void or ()
        object.__setattr__(self, "void", void)
        if both := [value for value in void if value in self._ids or value in (self.palette or ())]:
            raise ValueError(f"void names {_shown(both[0])}, which is a class: name it in one of them")
        if wrong := [value for value in void if isinstance(value, tuple) and not _is_color(value)]:
            raise ValueError(f"void: {_shown(wrong[0])} is no color: give three numbers in 0..255")

    @override
    def modality(self) -> Semseg:
        return Semseg(self.class_set())

    @override
    def modality_of(self, labels: Sequence[Samples]) -> Semseg:
        """Return the classes; where neither section nor class set gives colors, those of the files' own palette."""
        classes = self.class_set()
        palettes = [label.palette for label in labels if label.palette is not None]
        if self.palette is not None or classes in CLASS_SETS.values() or not palettes:
            return Semseg(classes)
        owner = {position: number for number, position in reversed(self._ids.items())}  # the first id of each class
        ids = [owner[position] for position in range(len(classes))]
        if not all(0 <= number < len(palettes[0]) for number in ids):
            return Semseg(classes)
        colors = palettes[0][ids]
        if any(not np.array_equal(palette[ids], colors) for palette in palettes):
            return Semseg(classes)
        if len(np.unique(colors, axis=0)) < len(classes) or (colors == colors[:, :1]).all():
            return Semseg(classes)  # it tells no classes apart, or only counts them in gray
        r, g, b = (map(int, channel) for channel in colors.T)
        return Semseg(replace(classes, palette=tuple(zip(r, g, b, strict=True))))

    def class_set(self) -> ClassSet:
        """Return the classes in the order of the file. Raises ``ValueError`` where names and colors disagree."""
        if isinstance(self.classes, str):
            if self.classes not in CLASS_SETS and "." in self.classes:
                raise ValueError(
                    f"classes is {self.classes}: write the names here, as {{0: road, 1: sky}} by id or [road, sky] "
                    "from 0"
                )
            if self.classes not in CLASS_SETS:
                raise ValueError(f"classes: there is no class set {self.classes!r}{nearest(self.classes, CLASS_SETS)}")
            known = CLASS_SETS[self.classes]
            if self.palette is None:
                return known
            return ClassSet(known.name, known.classes, tuple(self._color_of_each(known.classes, known.classes)))
        entries = self._entries
        names = tuple(dict.fromkeys(entries.values()))
        if not 0 < len(names) < IGNORE_INDEX:
            raise ValueError(f"classes has {len(names)} classes: 1 … {IGNORE_INDEX - 1} are possible")
        if self.palette is None:
            for known in CLASS_SETS.values():
                if known.classes == names:
                    return known
            return ClassSet("own", names, tuple(map(_distinct_color, range(len(names)))))
        return ClassSet("own", names, tuple(self._color_of_each(tuple(entries.values()), names)))

    def _color_of_each(self, entries: tuple[str, ...], names: tuple[str, ...]) -> list[Color]:
        """Return a color per name: where the palette has one per entry, that of the name's first entry."""
        palette = self.palette or []
        if wrong := [color for color in palette if not _is_color(color)]:
            raise ValueError(f"palette: {_shown(wrong[0])} is no color: give three numbers in 0..255")
        owners = entries if len(palette) == len(entries) else names
        if len(palette) != len(owners):
            raise ValueError(
                f"palette: {len(names)} names but {len(palette)} colors: give one color per class, in their order"
            )
        seen: dict[Color, str] = {}
        for color, owner in zip(palette, owners, strict=True):
            if seen.setdefault(color, owner) != owner:
                raise ValueError(
                    f"palette: {_shown(color)} is the color of {seen[color]} and {owner}: give each its own"
                )
        return [palette[owners.index(name)] for name in names]

    @cached_property
    def _entries(self) -> dict[int, str]:
        """The names by id, as they are written. Raises ``ValueError``."""
        if isinstance(self.classes, str):
            return dict(enumerate(CLASS_SETS[self.classes].classes))
        if isinstance(self.classes, list):
            return {number: str(name) for number, name in enumerate(self.classes)}
        entries: dict[int, str] = {}
        for key, name in self.classes.items():
            number = _as_int(key)
            if number is None:
                raise ValueError(f"classes: {key!r} is no id{self._turned_round()}")
            if number in entries:
                raise ValueError(f"classes names the id {number} twice")
            entries[number] = str(name)
        return entries

    def _turned_round(self) -> str:
        """Return a suggestion for ``{road: 0}``."""
        pairs = list(self.classes.items()) if isinstance(self.classes, dict) else []
        if any(_as_int(name) is None for _, name in pairs):
            return ": give name by id, such as {0: road, 1: sky}"
        turned = ", ".join(f"{name}: {key}" for key, name in pairs[:5]) + (", …" if len(pairs) > 5 else "")
        return f": give name by id, {{{turned}}}"

    @cached_property
    def _ids(self) -> dict[int, int]:
        """The position in the class set of each id in the files."""
        names = self.class_set().classes
        return {number: names.index(name) for number, name in self._entries.items()}

    @cached_property
    def _colors(self) -> dict[int, int]:
        """The position in the class set of each color, packed; none where the section gives no colors."""
        classes = self.class_set()
        if self.palette is None:
            known = classes.palette if classes in CLASS_SETS.values() else ()
            return {int(pack_colors(color)): number for number, color in enumerate(known)}
        entries = tuple(self._entries.values())
        owners = entries if len(self.palette) == len(entries) else classes.classes
        return {
            int(pack_colors(color)): classes.classes.index(owner)
            for color, owner in zip(self.palette, owners, strict=True)
        }

    @cached_property
    def _void_ids(self) -> set[int]:
        return {value for value in self.void or () if isinstance(value, int)}

    @cached_property
    def _void_colors(self) -> set[int]:
        return {int(pack_colors(value)) for value in self.void or () if isinstance(value, tuple)}

    @override
    def doubts(self, labels: Sequence[Samples]) -> str:
        """Return a sentence where two classes without ids meet masks of 0 and 255, of which 255 would be void."""
        if self.palette is None and (index := _recolored(labels)) is not None:
            return (
                f"the palettes of the files differ: the index {index} has several colors, so that one id means several "
                "classes; name the color of each class in palette of the section, unless these colors mean nothing"
            )
        if self._ids.keys() != {0, 1} or isinstance(self.classes, str) or vars(self)["_void_is_stated"]:
            return ""
        used = set[int]().union(*(_used(label.shown(), label.opaque) for label in labels))
        if used != {0, IGNORE_INDEX} or any(label.bits < 8 for label in labels) or self.palette is not None:
            return ""
        first, second = (self._entries[number] for number in (0, 1))
        return (
            f"the first labels hold 0 and 255 only, and 255 counts as void: if it is {second}, say `classes: "
            f"{{0: {first}, 255: {second}}}`; if not, `void: [255]`"
        )

    # -- reading -------------------------------------------------------------------------------------------------------

    @override
    def read(self, stored: Array, exact: bool) -> tuple[Array, Mask]:
        """Return ids of the class set, from ids or colors."""
        plain = stored[..., 0] if stored.shape[2:] == (1,) else stored
        return self.decode(Samples(plain, 8 * stored.dtype.itemsize, exact))

    @override
    def decode(self, label: Samples) -> tuple[Array, Mask]:
        """Return ids of the class set. Colors decide where the section gives a palette and the file has colors."""
        if label.lossy:
            raise ValueError(
                "is in a lossy format, which makes other ids at edges: export it again as PNG, or as lossless WebP"
            )
        if label.opaque is not None and not label.opaque.any():  # whatever lies below
            return np.full(label.size, IGNORE_INDEX, np.uint8), np.zeros(label.size, np.bool_)
        if label.palette is not None:
            ids = self._of_indices(label.values, label.palette, label.opaque)
        elif label.values.ndim == 2:
            ids = self._of_gray(label)
        elif label.values.shape[2] == 3:
            ids = self._of_colors(label.values, label.opaque)
        else:
            raise ValueError(
                f"has shape {label.values.shape} instead of (H, W): save the id of each pixel's class, such as "
                "scores.argmax(-1)"
            )
        if label.opaque is not None:
            ids = np.where(label.opaque, ids, IGNORE_INDEX).astype(np.uint8)
        return ids, ids != IGNORE_INDEX

    def _of_indices(self, indices: Array, palette: Array, opaque: Mask | None) -> Array:
        if not self._colors:
            return self._of_ids(indices, opaque)
        packed = pack_colors(palette[indices])
        used = _used(packed, opaque)
        if used & (self._colors.keys() | self._void_colors):
            return self._of_packed(packed, opaque)
        if self.palette is None or not used <= set(_BLACK_AND_WHITE):
            return self._of_ids(indices, opaque)  # the file's palette is one for showing ids
        if _used(indices, opaque) <= self._ids.keys():
            raise ValueError(
                "holds black or white only, no color of the palette, and its indices are ids of classes: name the "
                "color in void (such as [0, 0, 0]) or in the palette, or leave the palette out"
            )
        return self._of_packed(packed, opaque)

    def _of_gray(self, label: Samples) -> Array:
        stored = label.values
        known = self._ids.keys() | self._void_ids
        used = _used(stored, label.opaque)
        if label.bits < 8 and not used <= known and _used(shown := label.shown(), label.opaque) <= known:
            return self._of_ids(shown, label.opaque)
        if self.palette is not None and not label.exact and stored.dtype == np.uint8:
            gray = pack_colors(np.repeat(stored[..., None], 3, -1))
            colors = _used(gray, label.opaque)
            none = self._void_colors | set(_BLACK_AND_WHITE) if colors & self._colors.keys() else set()
            if colors <= self._colors.keys() | none:
                by_color = self._of_packed(gray, label.opaque)
                if used <= known and np.any(self._of_ids(stored, label.opaque) != by_color):
                    raise ValueError(
                        f"is gray and holds {sorted(used)[:5]}, which are ids of some classes and colors of others: "
                        "leave the palette out if they are ids, or save the file as RGB"
                    )
                return by_color
        return self._of_ids(stored, label.opaque)

    def _of_colors(self, stored: Array, opaque: Mask | None) -> Array:
        """Return ids of RGB; three equal channels are ids, unless they are colors of the palette."""
        equal = bool((stored == stored[..., :1]).all(-1)[... if opaque is None else opaque].all())
        if self._colors and stored.dtype == np.uint8:
            packed = pack_colors(stored)
            if not equal or _used(packed, opaque) <= self._colors.keys() | self._void_colors | set(_BLACK_AND_WHITE):
                return self._of_packed(packed, opaque)
        if equal:
            return self._of_ids(stored[..., 0], opaque)
        if ((stored == 0) | (stored == 1)).all() and (stored.sum(-1) == 1).all():
            raise ValueError("is one-hot: save the id of each pixel's class, array.argmax(-1)")
        if stored.dtype != np.uint8:
            raise ValueError(f"holds colors of {stored.dtype}: save it as 8-bit RGB, or the ids as gray")
        example = stored[(stored != stored[..., :1]).any(-1)][0]
        raise ValueError(
            f"holds colors such as {_shown(example)}: name the color of each class in palette of the section"
        )

    def _of_ids(self, stored: Array, opaque: Mask | None) -> Array:
        if stored.dtype.kind == "f":
            nothing = np.isnan(stored)
            opaque = ~nothing if opaque is None else opaque & ~nothing
        return _look_up(stored, self._ids, self._void_ids, opaque, lambda value: f"{value:.15g}")

    def _of_packed(self, packed: Array, opaque: Mask | None) -> Array:
        implicit = {color for color in _BLACK_AND_WHITE if color not in self._colors}
        void = self._void_colors | implicit
        return _look_up(packed, self._colors, void, opaque, lambda value: _shown(unpack_color(int(value))))


def _look_up(
    stored: Array, known: Mapping[int, int], void: set[int], opaque: Mask | None, show: Callable[[float], str]
) -> Array:
    """Return the class of the values (H, W), and ``IGNORE_INDEX`` for those in ``void`` and where not ``opaque``."""

    def none(unknown: list[float]) -> str:
        found = listed([show(value) for value in unknown])
        if len(unknown) > max(_MANY, len(known)):
            return (
                f"holds [{found}], more values than there are classes: export it without smoothing, which mixes colors "
                "along every edge, or name its values in classes or void of the section"
            )
        return f"holds [{found}], neither classes nor void: name them in classes or void of the section"

    index = dict(known) | dict.fromkeys(void, IGNORE_INDEX)
    if opaque is None:
        return look_up(stored, index, none)
    ids = np.full(stored.shape, IGNORE_INDEX, np.uint8)
    ids[opaque] = look_up(stored[opaque], index, none)
    return ids


def _recolored(labels: Sequence[Samples]) -> int | None:
    """Return an index that is used, in colors, in some labels with different palettes; None where there is none."""
    colors: dict[int, tuple[int, ...]] = {}
    for label in labels:
        if label.palette is not None:
            for index in sorted(_used(label.values, label.opaque)):
                color = tuple(label.palette[index].tolist())
                if colors.setdefault(index, color) != color:
                    return index
    return None


def _used(stored: Array, opaque: Mask | None) -> set[int]:
    return set(np.unique(stored if opaque is None else stored[opaque]).tolist())


def _shown(value: object) -> str:
    """Return an id or a color as it is written in YAML."""
    return str(value) if isinstance(value, int) else str([int(part) for part in value])  # type: ignore[attr-defined]


def _is_color(color: tuple[int, ...]) -> bool:
    return len(color) == 3 and all(0 <= part <= 255 for part in color)


def _as_int(value: object) -> int | None:
    try:
        return None if isinstance(value, bool | float) else int(value)  # type: ignore[call-overload]
    except ValueError:
        return None


def _distinct_color(index: int) -> tuple[int, int, int]:
    """Return a color far from its neighbors': hues a golden section from each other."""
    r, g, b = colorsys.hsv_to_rgb(index * 0.618034 % 1, (0.65, 0.9)[index % 2], (0.9, 0.7)[index // 2 % 2])
    return round(255 * r), round(255 * g), round(255 * b)
