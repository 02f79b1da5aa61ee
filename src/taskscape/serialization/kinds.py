"""Values beside the types that fields and arguments declare: which fit, what they are as plain values, in words."""

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
    """Return a value as a message shows it: not all of one that is long."""
    return _REPR.repr(value)


def bare(kind: Any) -> Any:
    """Return a type without what ``Annotated`` says of it."""
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def members(kind: Any) -> tuple[Any, ...]:
    """Return the types of a union, or the one that this is, each without what ``Annotated`` says of it."""
    kind = bare(kind)
    return tuple(map(bare, get_args(kind))) if get_origin(kind) in (Union, UnionType) else (kind,)


def is_size(kind: Any) -> bool:
    """Return whether a type is that of a size in pixels, height and width, or of one that may be left out."""
    of = members(kind)
    if len(of) > 1:
        return NoneType in of and any(is_size(member) for member in of)
    return get_origin(of[0]) is tuple and [bare(one) for one in get_args(of[0])] == [int, int]


def plain(value: Any, kind: Any) -> Any:
    """Return numbers of numpy and torch as Python's, also within tuples and mappings, and lists where tuples are meant.

    Such numbers and lists work everywhere but cannot be saved.
    """
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        return value.item()
    of_tuple = next((one for one in members(kind) if _is(one, tuple)), None)
    if of_tuple is not None and getattr(value, "ndim", None) == 1 and hasattr(value, "tolist"):
        value = value.tolist()
    if type(value) in (list, tuple):
        items = [plain(item, None) for item in value]
        if of_tuple is not None and isinstance(value, list):
            return tuple(items)
        return type(value)(items) if any(new is not old for new, old in zip(items, value, strict=True)) else value
    if isinstance(value, Mapping):
        named = {name: plain(item, None) for name, item in value.items()}
        return named if any(named[name] is not value[name] for name in named) else value
    return value


def require_fitting(name: str, value: Any, kind: Any) -> None:
    """Raise ``ValueError`` that names a field or an argument whose value is none of its type."""
    of_mapping = next((one for one in members(kind) if _is(one, Mapping)), None)
    if isinstance(value, Mapping) and of_mapping is not None:
        for key, item in value.items():
            require_fitting(f"{name}.{key}", item, get_args(of_mapping)[1])
    elif not fits(value, kind):
        raise ValueError(f"{name} is {_found(value)}: it must be {in_words(kind)}")


def fits(value: Any, kind: Any) -> bool:
    """Return whether a value is one of a type.

    Not checked are types that are written as text, and which of several dataclasses a value is: others may stand there.
    """
    kinds = members(kind)
    if len(kinds) > 1:
        return any(fits(value, one) for one in kinds) or (
            any(is_dataclass(one) for one in kinds) and is_dataclass(value) and not isinstance(value, type)
        )
    (kind,) = kinds
    if kind in (int, float):
        return isinstance(value, kind | int) and not isinstance(value, bool)
    if get_origin(kind) is Literal:
        return any(type(value) is type(one) and value == one for one in get_args(kind))
    if _is(kind, tuple):
        items = get_args(kind)
        if not isinstance(value, tuple) or (Ellipsis not in items and len(items) != len(value)):
            return False
        return all(fits(item, items[0] if Ellipsis in items else items[i]) for i, item in enumerate(value))
    if _is(kind, Mapping):
        return isinstance(value, Mapping)
    if _is(kind, Sequence):
        (of,) = get_args(kind)
        if hasattr(value, "ndim") or (isinstance(value, str) and of is not str):
            return False
        again = value if isinstance(value, list | tuple) else ()  # what can be walked once is not looked into
        return isinstance(value, Iterable) and all(fits(item, of) for item in again)
    if kind is Path:
        return isinstance(value, PathLike)
    return kind is Any or not isinstance(kind, type) or isinstance(value, kind)


def in_words(kind: Any) -> str:
    """Return what a value of a type is: ``a whole number or None``."""
    return " or ".join(dict.fromkeys(_in_words(one) for one in members(kind)))


def _in_words(kind: Any) -> str:
    if kind in _WORDS:
        return _WORDS[kind]
    if get_origin(kind) is Literal:
        return f"one of {', '.join(map(repr, get_args(kind)))}"
    if _is(kind, tuple):
        return f"a tuple ({', '.join('…' if one is Ellipsis else in_words(one) for one in get_args(kind))})"
    if _is(kind, Mapping):
        return "a mapping, such as {name: value}"
    if _is(kind, Sequence):
        return f"a list [{in_words(get_args(kind)[0])}, …]"
    return _with_article(getattr(kind, "__name__", str(kind)))


def _with_article(name: str) -> str:
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"


def _found(value: Any) -> str:
    """Return what a value is, for a message."""
    if isinstance(value, str):
        return f"{shown(value)}, a text"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, FunctionType):
        return f"the function {value.__name__}"
    if value is None or type(value) in (bool, int, float, list, tuple, dict):
        return shown(value)
    return _with_article(type(value).__name__)


def _is(kind: Any, of: type) -> bool:
    """Return whether this is a type of tuples, mappings or sequences that says what is in them."""
    origin = get_origin(kind)
    return isinstance(origin, type) and issubclass(origin, of)
