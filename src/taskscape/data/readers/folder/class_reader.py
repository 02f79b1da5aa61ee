"""Read class labels from files, by id or by the colors of a palette."""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np

from taskscape.data.readers.colors import EXCHANGED, Color, are_exchanged, pack_colors, unpack_color
from taskscape.data.readers.labels import look_up
from taskscape.data.readers.samples import Samples, used_values
from taskscape.modalities import IGNORE_INDEX
from taskscape.modalities.base import Array, Mask
from taskscape.serialization import listed

_MANY = 8
"""More unknown values than this, and than there are known ones, suggest smoothed labels, not forgotten classes."""
_BLACK_AND_WHITE = frozenset((0, (1 << 24) - 1))


@dataclass(frozen=True)
class ClassReader:
    """Mapping from ids and colors in label files to positions in a class set, or to no class."""

    ids: Mapping[int, int]
    """Position by id in the files."""
    colors: Mapping[int, int]
    """Position by packed color; empty if neither the section nor its class set has colors."""
    void_ids: frozenset[int]
    void_colors: frozenset[int]
    """Packed colors; black and white are void too, unless they are classes."""
    by_palette: bool
    """Whether the section has its own palette."""

    def read(self, label: Samples) -> Array:
        """Return ids of the class set, (H, W) uint8, by color if there is a palette and the file has colors.

        Raises ``ValueError`` for unknown values; its message continues a sentence that starts with the file's path.
        """
        if label.opaque is not None and not label.opaque.any():  # whatever the values are
            return np.full(label.size, IGNORE_INDEX, np.uint8)
        label = self.plain(label)
        if label.palette is not None:
            return self._read_indices(label.values, label.palette, label.opaque)
        if label.values.ndim == 2:
            return self._read_gray(label)
        if label.values.shape[2] == 3:
            return self._read_colors(label.values, label.opaque)
        raise ValueError(
            f"has shape {label.values.shape} instead of (H, W): save the id of each pixel's class, such as "
            "scores.argmax(-1)"
        )

    def plain(self, label: Samples) -> Samples:
        """Return an image with a palette of grays that are all ids as gray, unless its colors are those of classes."""
        known_ids = self.ids.keys() | self.void_ids
        gray = label.without_gray_palette(keep_one_bit=used_values(label.values, label.opaque) <= known_ids)
        if label.palette is None or gray.palette is not None:
            return label
        by_color = used_values(pack_colors(label.palette[label.values]), label.opaque) & self.colors.keys()
        by_id = used_values(gray.values, gray.opaque) <= known_ids
        return gray if by_id and not by_color else label

    def foreign_color(self, label: Samples) -> Color | None:
        """Return a color of a palette image if the section's palette has none of its colors, so that indices count."""
        label = self.plain(label)
        if label.palette is None or not self.by_palette:
            return None
        used = used_values(pack_colors(label.palette[label.values]), label.opaque)
        known = self.colors.keys() | self.void_colors
        return None if used & known or used <= _BLACK_AND_WHITE else unpack_color(max(used))

    def _read_indices(self, indices: Array, palette: Array, opaque: Mask | None) -> Array:
        if not self.colors:
            return self._look_up_ids(indices, opaque)
        packed = pack_colors(palette[indices])
        used = used_values(packed, opaque)
        if used & (self.colors.keys() | self.void_colors):
            return self._look_up_colors(packed, opaque)
        if not self.by_palette or not used <= _BLACK_AND_WHITE:
            return self._look_up_ids(indices, opaque)  # the file's palette is only for display
        if used_values(indices, opaque) <= self.ids.keys():
            remedy = f"name the color in void (such as {shown_in_yaml(unpack_color(min(used)))}) or in the palette, or "
            raise ValueError(
                "holds black or white only, no color of the palette, and its indices are ids of classes: "
                f"{remedy if len(used) == 1 else ''}leave the palette out"
            )
        return self._look_up_colors(packed, opaque)

    def _read_gray(self, label: Samples) -> Array:
        stored = label.values
        known_ids = self.ids.keys() | self.void_ids
        used = used_values(stored, label.opaque)
        if label.bits < 8 and not used <= known_ids and used_values(shown := label.shown(), label.opaque) <= known_ids:
            return self._look_up_ids(shown, label.opaque)
        if self.by_palette and not label.exact and stored.dtype == np.uint8:
            gray = pack_colors(np.repeat(stored[..., None], 3, -1))
            colors = used_values(gray, label.opaque)
            void = self.void_colors | _BLACK_AND_WHITE if colors & self.colors.keys() else set()
            if colors <= self.colors.keys() | void:
                by_color = self._look_up_colors(gray, label.opaque)
                if used <= known_ids and np.any(self._look_up_ids(stored, label.opaque) != by_color):
                    raise ValueError(
                        f"is gray and holds {sorted(used)[:5]}, which are ids of some classes and colors of others: "
                        "leave the palette out if they are ids, or save the file as RGB"
                    )
                return by_color
        return self._look_up_ids(stored, label.opaque)

    def _read_colors(self, stored: Array, opaque: Mask | None) -> Array:
        """Return the ids of RGB values; three equal channels are ids, unless they are colors of the palette."""
        equal = bool((stored == stored[..., :1]).all(-1)[... if opaque is None else opaque].all())
        if self.colors and stored.dtype == np.uint8:
            packed = pack_colors(stored)
            known_colors = self.colors.keys() | self.void_colors | _BLACK_AND_WHITE
            if not equal or used_values(packed, opaque) <= known_colors:
                return self._look_up_colors(packed, opaque)
        if equal:
            return self._look_up_ids(stored[..., 0], opaque)
        if ((stored == 0) | (stored == 1)).all() and (stored.sum(-1) == 1).all():
            raise ValueError("is one-hot: save the id of each pixel's class, array.argmax(-1)")
        if stored.dtype != np.uint8:
            raise ValueError(f"holds colors of {stored.dtype}: save it as 8-bit RGB, or the ids as gray")
        if not stored[..., 1:].any():
            raise ValueError(
                "holds numbers in the red channel only: save this channel as gray, or name colors in palette"
            )
        example = stored[(stored != stored[..., :1]).any(-1)][0]
        raise ValueError(
            f"holds colors such as {shown_in_yaml(example)}: name the color of each class in palette of the section"
        )

    def _look_up_ids(self, stored: Array, opaque: Mask | None) -> Array:
        if stored.dtype.kind == "f":
            is_nan = np.isnan(stored)
            opaque = ~is_nan if opaque is None else opaque & ~is_nan
        return _look_up(stored, self.ids, self.void_ids, opaque, lambda value: f"{value:.15g}", self._hint_for_ids)

    def _look_up_colors(self, packed: Array, opaque: Mask | None) -> Array:
        void = self.void_colors | (_BLACK_AND_WHITE - self.colors.keys())
        return _look_up(
            packed,
            self.colors,
            void,
            opaque,
            lambda value: shown_in_yaml(unpack_color(int(value))),
            self._hint_for_colors,
        )

    def _hint_for_ids(self, unknown: Sequence[float]) -> str:
        """Return the likely cause of unknown ids, to follow the error message; empty if there is none."""
        if all(value >= 1000 and value // 1000 in self.ids for value in unknown):
            return "; if they are 1000 · class + number of the object, save value // 1000"
        if self.ids.keys() == set(range(len(self.ids))) and unknown == [len(self.ids)]:
            return (
                "; if ids count from 1, and 0 is no class, set `classes: {1: road, 2: sky}` and `void: 0` accordingly"
            )
        return ""

    def _hint_for_colors(self, unknown: Sequence[float]) -> str:
        if len(unknown) == 1 and set(color := unpack_color(int(unknown[0]))) <= self.void_ids:
            return f"; void names three ids: as a color they are a list in the list, `void: [{shown_in_yaml(color)}]`"
        return f"; {EXCHANGED}" if are_exchanged(unknown, self.colors.keys() | self.void_colors) else ""


def _look_up(
    stored: Array,
    classes: Mapping[int, int],
    void: Set[int],
    opaque: Mask | None,
    show: Callable[[float], str],
    hint_for: Callable[[Sequence[float]], str],
) -> Array:
    """Return the classes of the values, (H, W), with ``IGNORE_INDEX`` for values in ``void`` and transparent pixels."""

    def message(unknown: list[float]) -> str:
        shown, hint = listed([show(value) for value in unknown]), hint_for(unknown)
        if not hint and len(unknown) > max(_MANY, len(classes)):
            return (
                f"holds [{shown}], more values than there are classes: export it without smoothing, which mixes colors "
                "along every edge, or name its values in classes or void of the section"
            )
        return f"holds [{shown}], neither classes nor void: name them in classes or void of the section{hint}"

    table = dict(classes) | dict.fromkeys(void, IGNORE_INDEX)
    if opaque is None:
        return look_up(stored, table, message)
    ids = np.full(stored.shape, IGNORE_INDEX, np.uint8)
    ids[opaque] = look_up(stored[opaque], table, message)
    return ids


def shown_in_yaml(value: object) -> str:
    """Return an id or a color in YAML notation."""
    return str(value) if isinstance(value, int) else str([int(part) for part in value])  # type: ignore[attr-defined]
