"""Convert plain values to dataclasses with cattrs, and our own rules for numbers written as text and for choices."""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

from taskscape.serialization.kinds import in_words, is_size, members, shown
from taskscape.serialization.nearest import nearest
from taskscape.serialization.offers import class_of, classes_for, is_offered, is_option, tag_of
from taskscape.serialization.sizes import read_size

if TYPE_CHECKING:
    import cattrs

MOST_LINES = 20
"""Maximum number of lines of an error message."""


@cache
def converter(detailed: bool) -> "cattrs.Converter":
    """Return a converter to dataclasses that collects all errors with their fields, or stops at the first one."""
    import cattrs

    converter = cattrs.Converter(forbid_extra_keys=True, detailed_validation=detailed)
    for kind in (bool, int, float, str, Path):
        converter.register_structure_hook(kind, _scalar)
    # cattrs tries the last registered hook first. A choice of dataclasses also matches as a union and as a dataclass.
    converter.register_structure_hook_factory(_is_collection, lambda kind: _collection(kind, converter))
    from_list = converter.get_structure_hook(tuple[int, int])
    converter.register_structure_hook_func(
        is_size, lambda value, kind: read_size(value) if isinstance(value, str) else from_list(value, kind)
    )
    converter.register_structure_hook_factory(_is_plain_union, lambda kind: _first_that_fits(kind, converter))
    converter.register_structure_hook_factory(_is_literal, _one_of)
    converter.register_structure_hook_factory(is_dataclass, lambda kind: _one_dataclass(kind, converter))
    converter.register_structure_hook_factory(_is_choice, lambda kind: _choice(kind, converter))
    return converter


def _collection(kind: Any, converter: "cattrs.Converter") -> Callable[[Any, Any], Any]:
    """Return a function that reads a mapping, a list or a tuple. By itself, cattrs would split text into letters."""
    from cattrs.cols import list_structure_factory, mapping_structure_factory

    inner: Callable[[Any, Any], Any]
    container: Any = list | tuple
    if issubclass(get_origin(kind), Mapping):
        inner, container = mapping_structure_factory(kind, converter), Mapping
        expected = in_words(kind)
    elif get_origin(kind) is tuple:
        inner = converter._structure_tuple  # noqa: SLF001 - the public factory only takes values of a single type
        count = 0 if Ellipsis in get_args(kind) else len(get_args(kind))
        expected = f"a list of {count}" if count else "a list"
    else:
        inner, expected = list_structure_factory(kind, converter), "a list"

    def read(value: Any, _: Any) -> Any:
        if not isinstance(value, container):
            raise ValueError(f"{shown(value)} is not {expected}")
        return inner(value, kind)

    return read


def _scalar(value: Any, kind: type) -> Any:
    if kind is float and isinstance(value, int | str) and not isinstance(value, bool):
        try:
            return float(value)  # YAML reads 1e-4 as text; its syntax for numbers is 1.0e-4
        except ValueError:
            pass
    elif kind is Path and isinstance(value, str):
        return Path(value)
    elif type(value) is kind:
        return value
    raise ValueError(f"{shown(value)} is not {in_words(kind)}")


def _one_of(literal: Any) -> Callable[[Any, Any], Any]:
    allowed = {(type(value), value) for value in get_args(literal)}

    def read(value: Any, _: Any) -> Any:
        if not isinstance(value, str | int) or (type(value), value) not in allowed:  # 1 is not true
            raise ValueError(f"{shown(value)} is not one of {', '.join(map(str, get_args(literal)))}")
        return value

    return read


def _first_that_fits(union: Any, converter: "cattrs.Converter") -> Callable[[Any, Any], Any]:
    def read(value: Any, _: Any) -> Any:
        reasons = []
        for member in get_args(union):
            if member is NoneType:
                if value is None:
                    return None
                continue
            try:
                return converter.structure(value, member)
            except Exception as error:  # cattrs raises a group of the errors that the members raise
                reasons.append(explained(error, None))
        raise ValueError(" and ".join(reasons))

    return read


def _one_dataclass(cls: type, converter: "cattrs.Converter") -> Callable[[Any, Any], Any]:
    """Return a function that reads one dataclass; ``type`` can be left out, or name a class that can replace it."""
    from cattrs.gen import make_dict_structure_fn

    from_dict: Callable[[Any, Any], Any] = make_dict_structure_fn(cls, converter, _cattrs_forbid_extra_keys=True)

    def read(value: Any, _: Any) -> Any:
        if not isinstance(value, Mapping):
            raise ValueError(f"{shown(value)} is not a mapping of {', '.join(f.name for f in fields(cls))}")
        tag = value.get("type") if is_option(cls) else None
        if tag is not None and tag != tag_of(cls):
            replacement = class_of(tag, {tag_of(cls): cls}, cls)
            if replacement is not cls:  # the copy of a user's file has a different path from the tag
                return converter.structure(value, replacement)
        return from_dict({key: item for key, item in value.items() if key != "type" or tag is None}, cls)

    return read


def _choice(kind: Any, converter: "cattrs.Converter") -> Callable[[Any, Any], Any]:
    """Return a function that reads one of several dataclasses, selected by ``type``; ``kind`` is a base or a union."""
    kinds = members(kind)
    classes = {name: cls for member in kinds if member is not NoneType for name, cls in classes_for(member).items()}

    def read(value: Any, _: Any) -> Any:
        if value is None and NoneType in kinds:
            return None
        if not isinstance(value, Mapping):
            raise ValueError(f"{shown(value)} is not a mapping with the key 'type'")
        if "type" not in value:
            if "is" in value:
                raise ValueError("the key 'is' is from an earlier version, which cannot be read; train the run again")
            if len(classes) > 1:
                raise ValueError(f"the key 'type' is missing: one of {', '.join(classes)}")
            return converter.structure(value, next(iter(classes.values())))
        base = kinds[0] if len(kinds) == 1 else None
        return converter.structure(value, class_of(value["type"], classes, base))

    return read


def explained(error: BaseException, _: type | None) -> str:
    """Return the message of an error of cattrs or of a field."""
    import cattrs

    if isinstance(error, cattrs.ForbiddenExtraKeysError):
        field_names = [f.name for f in fields(error.cl)]
        return "; ".join(
            f"there is no field {name!r}{nearest(name, field_names)}"
            for name in sorted(map(str, error.extra_fields))[:MOST_LINES]
        )
    if isinstance(error, KeyError):
        return "is missing"
    if isinstance(error, cattrs.BaseValidationError):
        return "; ".join(explained(inner, None) for inner in error.exceptions)
    return str(error) or type(error).__name__


# -- kinds of types ----------------------------------------------------------------------------------------------------


def _is_collection(kind: Any) -> bool:
    origin = get_origin(kind)
    return isinstance(origin, type) and issubclass(origin, Mapping | list | tuple)


def _is_literal(kind: Any) -> bool:
    return get_origin(kind) is Literal


def _is_union(kind: Any) -> bool:
    return get_origin(kind) in (Union, UnionType)


def _is_choice(kind: Any) -> bool:
    """Return whether other classes can replace a type: a base with registered classes, or a dataclass in a union."""
    if _is_union(kind):
        return any(is_offered(member) or is_dataclass(member) for member in members(kind))
    return is_offered(kind)


def _is_plain_union(kind: Any) -> bool:
    return _is_union(kind) and not _is_choice(kind)
