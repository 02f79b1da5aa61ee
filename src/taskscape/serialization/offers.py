"""The classes that a saved file can name in place of an abstract base class, and their names in the file."""

from abc import ABC
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeGuard

from taskscape.serialization.kinds import shown
from taskscape.serialization.nearest import nearest
from taskscape.serialization.user_code import code_of, load_name, saved_path

_OFFERED: dict[type, dict[str, type]] = {}


def offer(base: type, classes: Iterable[type]) -> None:
    """Register the package's classes that can be used for ``base``. Each has a ``name: ClassVar[str]``."""
    _OFFERED[base] = {getattr(cls, "name"): cls for cls in classes}  # noqa: B009


def offered(base: type) -> Mapping[str, type]:
    """Return the classes registered for ``base``, by name."""
    return _OFFERED[base]


def is_offered(kind: Any) -> bool:
    """Return whether ``kind`` is an abstract base for which classes were registered."""
    return isinstance(kind, type) and kind in _OFFERED


def is_option(cls: Any) -> TypeGuard[type]:
    """Return whether ``cls`` is a dataclass with a class attribute ``name``, like all classes that can be chosen."""
    if not (isinstance(cls, type) and is_dataclass(cls)):
        return False
    return isinstance(getattr(cls, "name", None), str) and all(field.name != "name" for field in fields(cls))


def tag_of(cls: type) -> str:
    """Return the name of a class in a file."""
    if cls.__module__.split(".")[0] == "taskscape":
        return str(getattr(cls, "name", cls.__name__))
    return f"{saved_path(cls).as_posix()}:{cls.__qualname__}"


def classes_for(member: type) -> Mapping[str, type]:
    """Return the classes that can be used where ``member`` is declared, by name."""
    return _OFFERED.get(member) or {tag_of(member): member}


def class_of(tag: Any, classes: Mapping[str, type], base: type | None) -> type:
    """Return the class named by ``tag``: one of ``classes``, or a class with the same base from a user's file.

    Raises ``ValueError`` for a class that does not exist, with the nearest names, or that cannot be used there.
    """
    if not isinstance(tag, str):
        raise ValueError(f"type is {shown(tag)}: it must be text")
    if tag in classes:
        return classes[tag]
    file, colon, name = tag.rpartition(":")
    if not colon:
        by_class = {cls.__name__.removesuffix("Config").lower(): name for name, cls in classes.items()}
        likely = by_class.get(tag.lower())
        raise ValueError(
            f"there is no {shown(tag)}" + (f"; did you mean {likely}?" if likely else nearest(tag, classes))
        )
    cls = load_name(code_of(Path(file)), name)
    if not is_option(cls):
        raise ValueError(f"{tag} is not a dataclass with a `name: ClassVar[str]`")
    if base is not None and is_offered(base):
        bases: tuple[type, ...] = (base,)
    else:
        first = next(iter(classes.values()))
        bases = tuple(parent for parent in first.__mro__[1:] if parent not in (ABC, object)) or tuple(classes.values())
    if not issubclass(cls, bases):
        raise ValueError(f"{tag} is not a subclass of {bases[-1].__name__}")
    return cls
