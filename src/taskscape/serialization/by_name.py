"""Dictionaries of what can be chosen by name."""

from typing import TypeVar

from taskscape.serialization.nearest import nearest

T = TypeVar("T")


class ByName(dict[str, T]):
    """A dictionary whose ``KeyError`` for an unknown name suggests the nearest known ones."""

    def __missing__(self, name: str) -> T:
        raise KeyError(f"there is no {name!r}{nearest(str(name), self)}")
