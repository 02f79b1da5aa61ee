"""Which class of one set becomes which of another: by a name of the map, or by the names of the classes."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from taskscape.modalities.class_sets import (
    CAMVID_11,
    CITYSCAPES_2,
    CITYSCAPES_7,
    CITYSCAPES_19,
    IGNORE_INDEX,
    NYUV2_13,
    NYUV2_40,
    ClassSet,
    label_map,
)
from taskscape.serialization import nearest

CLASS_MAPS: dict[str, tuple[ClassSet, ClassSet]] = {
    "cityscapes-to-camvid": (CITYSCAPES_19, CAMVID_11),
    "cityscapes-to-7": (CITYSCAPES_19, CITYSCAPES_7),
    "cityscapes-to-2": (CITYSCAPES_19, CITYSCAPES_2),
    "nyuv2-40-to-13": (NYUV2_40, NYUV2_13),
}
"""The maps that have a name: from which classes to which."""


def class_table(source: ClassSet, target: ClassSet, classes: str = "") -> npt.NDArray[np.uint8]:
    """Return a (256,) look-up table from the ids of ``source`` to those of ``target``.

    Args:
        source: The classes that there are.
        target: The classes that they become.
        classes: A name of ``CLASS_MAPS``; or pairs of names, ``wall:building+terrain:tree``, which come before classes
            of the same name; ``terrain:`` leaves a class out. When empty, the known map between the two sets, or else
            classes of the same name.

    Returns:
        The table; a class that becomes none, and every other id, has ``IGNORE_INDEX``.

    Raises:
        ValueError: The map is one between other sets, a name is none of a class, or no class becomes one.
    """
    if classes in CLASS_MAPS:
        known_source, known_target = CLASS_MAPS[classes]
        for role, known, given in (("from", known_source, source), ("to", known_target, target)):
            if known.classes != given.classes:
                raise ValueError(
                    f"the map {classes!r} leads {role} the classes {known.name!r}, and these are {given.name!r}: give "
                    "pairs of names, such as wall:building+terrain:tree"
                )
        return label_map(source, target)
    if not classes:
        try:
            return label_map(source, target)
        except ValueError:
            pass
    return _by_name(source, target, _pairs(classes))


def left_out(source: ClassSet, table: npt.NDArray[np.uint8]) -> tuple[str, ...]:
    """Return the classes that become none."""
    return tuple(name for id_, name in enumerate(source.classes) if table[id_] == IGNORE_INDEX)


def groups(table: npt.NDArray[np.uint8], source: ClassSet, target: ClassSet) -> list[list[int]]:
    """Return, for each class of ``target``, the ids of ``source`` that become it."""
    return [np.flatnonzero(table[: len(source)] == id_).tolist() for id_ in range(len(target))]


def _pairs(text: str) -> dict[str, str]:
    """Read ``wall:building+terrain:tree``. Raises ``ValueError``."""
    pairs: dict[str, str] = {}
    for part in filter(None, text.split("+")):
        old, colon, new = (piece.strip() for piece in part.partition(":"))
        if not colon or not old:
            raise ValueError(
                f"classes {text!r}: there is no map {part!r}{nearest(part, CLASS_MAPS)}; choose one of "
                f"{', '.join(CLASS_MAPS)}, or give pairs of names, such as wall:building+terrain:tree"
            )
        if old in pairs:
            raise ValueError(f"classes {text!r} names {old!r} twice: give one class that it becomes")
        pairs[old] = new
    return pairs


def _by_name(source: ClassSet, target: ClassSet, pairs: dict[str, str]) -> npt.NDArray[np.uint8]:
    _require(pairs, source)
    _require([name for name in pairs.values() if name], target)
    ids = {name: id_ for id_, name in enumerate(target.classes)}
    table = np.full(256, IGNORE_INDEX, np.uint8)
    for id_, name in enumerate(source.classes):
        table[id_] = ids.get(pairs.get(name, name), IGNORE_INDEX)
    if (table == IGNORE_INDEX).all():
        raise ValueError(
            f"no class of {source.name!r} ({', '.join(source.classes)}) has the name of one of {target.name!r} "
            f"({', '.join(target.classes)}): say which become which, such as "
            f"{source.classes[0]}:{target.classes[0]}"
        )
    return table


def _require(names: "dict[str, str] | Sequence[str]", classes: ClassSet) -> None:
    for name in names:
        if name not in classes.classes:
            raise ValueError(f"there is no class {name!r} in {classes.name!r}{nearest(name, classes.classes)}")
