"""Check values against the declared types of fields and arguments, convert them to plain values and describe both."""

import reprlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import is_dataclass
from os import PathLike
from pathlib import Path
from types import FunctionType, NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

_WORDS: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "a path",
    NoneType: "None",
}
_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = 200


def shown(value: Any) -> str:
    """Return the representation of a value for a message, shortened if it is long."""
    return _REPR.repr(value)


def bare(kind: Any) -> Any:
    """Return a type without the metadata of ``Annotated``."""
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def members(kind: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the type itself, each without the metadata of ``Annotated``."""
    kind = bare(kind)
    return tuple(map(bare, get_args(kind))) if get_origin(kind) in (Union, UnionType) else (kind,)


def is_size(kind: Any) -> bool:
    """Return whether a type is a size in pixels, height and width, or an optional size."""
    kinds = members(kind)
    if len(kinds) > 1:
        return NoneType in kinds and any(is_size(member) for member in kinds)
    return get_origin(kinds[0]) is tuple and [bare(argument) for argument in get_args(kinds[0])] == [int, int]


def plain(value: Any, kind: Any) -> Any:
    """Convert numbers of NumPy and torch to Python's, also within tuples and mappings, and lists to tuples if declared.

    Such numbers and lists would work everywhere, but cannot be saved.
    """
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        return value.item()
    takes_tuple = any(_is_generic(member, tuple) for member in members(kind))
    if takes_tuple and getattr(value, "ndim", None) == 1 and hasattr(value, "tolist"):
        value = value.tolist()
    if type(value) in (list, tuple):
        items = [plain(item, None) for item in value]
        if takes_tuple and isinstance(value, list):
            return tuple(items)
        return type(value)(items) if any(new is not old for new, old in zip(items, value, strict=True)) else value
    if isinstance(value, Mapping):
        converted = {name: plain(item, None) for name, item in value.items()}
        return converted if any(converted[name] is not value[name] for name in converted) else value
    return value


def require_fitting(name: str, value: Any, kind: Any) -> None:
    """Raise ``ValueError`` with the name of a field or argument if its value does not have the declared type."""
    mapping_kind = next((member for member in members(kind) if _is_generic(member, Mapping)), None)
    if isinstance(value, Mapping) and mapping_kind is not None:
        for key, item in value.items():
            require_fitting(f"{name}.{key}", item, get_args(mapping_kind)[1])
    elif not fits(value, kind):
        raise ValueError(f"{name} is {_description(value)}: it must be {in_words(kind)}")


def fits(value: Any, kind: Any) -> bool:
    """Return whether a value has a type.

    Types written as strings are not checked. Where several dataclasses are declared, any dataclass is accepted, since
    a user's class can take their place.
    """
    kinds = members(kind)
    if len(kinds) > 1:
        return any(fits(value, option) for option in kinds) or (
            any(is_dataclass(option) for option in kinds) and is_dataclass(value) and not isinstance(value, type)
        )
    (kind,) = kinds
    if kind in (int, float):
        return isinstance(value, kind | int) and not isinstance(value, bool)
    if get_origin(kind) is Literal:
        return any(type(value) is type(option) and value == option for option in get_args(kind))
    if _is_generic(kind, tuple):
        item_kinds = get_args(kind)
        if not isinstance(value, tuple) or (Ellipsis not in item_kinds and len(item_kinds) != len(value)):
            return False
        return all(
            fits(item, item_kinds[0] if Ellipsis in item_kinds else item_kinds[i]) for i, item in enumerate(value)
        )
    if _is_generic(kind, Mapping):
        return isinstance(value, Mapping)
    if _is_generic(kind, Sequence):
        (item_kind,) = get_args(kind)
        if hasattr(value, "ndim") or (isinstance(value, str) and item_kind is not str):
            return False
        items = value if isinstance(value, list | tuple) else ()  # checking an iterator would exhaust it
        return isinstance(value, Iterable) and all(fits(item, item_kind) for item in items)
    if kind is Path:
        return isinstance(value, PathLike)
    return kind is Any or not isinstance(kind, type) or isinstance(value, kind)


def in_words(kind: Any) -> str:
    """Return a description of a type's values: ``a whole number or None``."""
    return " or ".join(dict.fromkeys(_in_words(member) for member in members(kind)))


def _in_words(kind: Any) -> str:
    if kind in _WORDS:
        return _WORDS[kind]
    if get_origin(kind) is Literal:
        return f"one of {', '.join(map(repr, get_args(kind)))}"
    if _is_generic(kind, tuple):
        return f"a tuple ({', '.join('…' if item is Ellipsis else in_words(item) for item in get_args(kind))})"
    if _is_generic(kind, Mapping):
        return "a mapping, such as {name: value}"
    if _is_generic(kind, Sequence):
        return f"a list [{in_words(get_args(kind)[0])}, …]"
    return _with_article(getattr(kind, "__name__", str(kind)))


def _with_article(name: str) -> str:
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"


def _description(value: Any) -> str:
    """Return a description of a value for a message."""
    if isinstance(value, str):
        return f"{shown(value)}, a string"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, FunctionType):
        return f"the function {value.__name__}"
    if value is None or type(value) in (bool, int, float, list, tuple, dict):
        return shown(value)
    return _with_article(type(value).__name__)


def _is_generic(kind: Any, base: type) -> bool:
    """Return whether a type is a tuple, mapping or sequence with declared element types."""
    origin = get_origin(kind)
    return isinstance(origin, type) and issubclass(origin, base)
