"""Maps from one class set to another, by the name of a known map or by the names of the classes."""

import re
from collections.abc import Iterable, Sequence
from itertools import groupby

import numpy as np
import numpy.typing as npt

from taskscape.modalities.class_sets import IGNORE_INDEX, KNOWN_MAPS, ClassSet, label_map
from taskscape.serialization import nearest

CLASS_MAPS = {name: (source, target) for name, (source, target, _) in KNOWN_MAPS.items()}
"""The named maps, each with its source and target classes."""


def class_table(source: ClassSet, target: ClassSet, classes: str = "") -> npt.NDArray[np.uint8]:
    """Return a (256,) look-up table from the ids of ``source`` to those of ``target``.

    Args:
        source: The classes to convert from.
        target: The classes to convert to.
        classes: One of two forms. A name in ``CLASS_MAPS`` applies to its source classes, or some of them, in any
            order. Pairs of names, ``wall:building+terrain:tree``, take precedence over equal names; ``terrain:`` leaves
            a class out. If empty, the known map between the two sets is used, or else classes of the same name. Names
            are compared ignoring case and whether they have spaces, ``_`` or ``-``.

    Returns:
        The table. Classes that are left out, and all other ids, map to ``IGNORE_INDEX``.

    Raises:
        ValueError: The map is for other class sets, there is no class of a given name, or no class is mapped.
    """
    if classes in CLASS_MAPS:
        known_source, known_target = known_map = CLASS_MAPS[classes]
        for role, expected, actual, is_right in (
            ("from", known_source, source, _holds(known_source, source)),
            ("to", known_target, target, _holds(target, known_target)),
        ):
            if not is_right:
                raise ValueError(
                    f"the map {classes!r} goes {role} the classes {expected.name!r}, but these are {actual.name!r}: "
                    "give pairs of names, such as wall:building+terrain:tree"
                )
        return _by_map(source, target, *known_map)
    if not classes:
        try:
            return label_map(source, target)
        except ValueError:
            for known_map in CLASS_MAPS.values():
                if all(_holds(a, b) and _holds(b, a) for a, b in ((source, known_map[0]), (target, known_map[1]))):
                    return _by_map(source, target, *known_map)
    return _by_name(source, target, _pairs(classes, (*source.classes, *target.classes)))


def left_out(source: ClassSet, table: npt.NDArray[np.uint8]) -> tuple[str, ...]:
    """Return the classes that the table leaves out."""
    return tuple(name for id_, name in enumerate(source.classes) if table[id_] == IGNORE_INDEX)


def groups(table: npt.NDArray[np.uint8], source: ClassSet, target: ClassSet) -> list[list[int]]:
    """Return, for each class of ``target``, the ids of ``source`` that map to it."""
    return [np.flatnonzero(table[: len(source)] == id_).tolist() for id_ in range(len(target))]


def _pairs(classes: str, names: Sequence[str]) -> dict[str, str]:
    """Parse ``wall:building+terrain:tree``. Names that have ``:`` or ``+`` must be written as in ``names``.

    Raises ``ValueError``.
    """
    with_marks = sorted((name for name in names if set(name) & set(":+")), key=len, reverse=True)
    whole_names = [rf"\s*{re.escape(name)}\s*(?=[:+]|$)" for name in with_marks]
    tokens = re.findall("|".join([*whole_names, "[:+]", "[^:+]+"]), classes)
    pairs: dict[str, str] = {}
    for is_plus, part in groupby(tokens, "+".__eq__):
        if is_plus:
            continue
        old, *rest = map(str.strip, part)
        if not old or rest[:1] != [":"]:
            pair = "".join([old, *rest])
            raise ValueError(
                f"classes {classes!r}: {pair!r} is neither a pair of names, such as wall:building, nor a known map"
                f"{nearest(pair, CLASS_MAPS)}"
            )
        new = "".join(rest[1:])
        if old in pairs:
            raise ValueError(f"classes {classes!r} maps {old!r} twice: give one class that it becomes")
        pairs[old] = new
    return pairs


def _by_map(
    source: ClassSet, target: ClassSet, known_source: ClassSet, known_target: ClassSet
) -> npt.NDArray[np.uint8]:
    """Return the table of a known map for class sets with its class names."""
    known_table = label_map(known_source, known_target)
    table = np.full(256, IGNORE_INDEX, np.uint8)
    for id_, name in enumerate(source.classes):
        known_id = known_table[_id(name, known_source)]
        if known_id != IGNORE_INDEX:
            table[id_] = _id(known_target.classes[known_id], target)
    return table


def _by_name(source: ClassSet, target: ClassSet, pairs: dict[str, str]) -> npt.NDArray[np.uint8]:
    _require(pairs, source)
    _require(filter(None, pairs.values()), target)
    table = np.full(256, IGNORE_INDEX, np.uint8)
    for id_, name in enumerate(source.classes):
        table[id_] = _id(name, target)
    for old, new in pairs.items():
        table[_id(old, source)] = _id(new, target) if new else IGNORE_INDEX
    if (table == IGNORE_INDEX).all():
        raise ValueError(
            f"no class of {source.name!r} ({', '.join(source.classes)}) has the name of a class of {target.name!r} "
            f"({', '.join(target.classes)}): give pairs of names, such as "
            f"{source.classes[0]}:{target.classes[0]}"
        )
    return table


def _id(name: str, classes: ClassSet) -> int:
    """Return the id of the class with this name, or of the only class whose name differs in case, ``_`` or ``-`` only.

    Returns ``IGNORE_INDEX`` if there is none.
    """
    if name in classes.classes:
        return classes.classes.index(name)
    matches = [id_ for id_, class_name in enumerate(classes.classes) if _words(class_name) == _words(name)]
    return matches[0] if len(matches) == 1 else IGNORE_INDEX


def _holds(classes: ClassSet, others: ClassSet) -> bool:
    """Return whether these classes have the name of each of the ``others``."""
    return all(_id(name, classes) != IGNORE_INDEX for name in others.classes)


def _words(name: str) -> str:
    return " ".join(re.split(r"[\s_-]+", name.strip().casefold()))


def _require(names: Iterable[str], classes: ClassSet) -> None:
    for name in names:
        if _id(name, classes) == IGNORE_INDEX:
            raise ValueError(f"there is no class {name!r} in {classes.name!r}{nearest(name, classes.classes)}")
