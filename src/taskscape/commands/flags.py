"""Rules with which tyro parses the flags of settings, after choices have been applied."""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import partial
from typing import Annotated, Any, cast

import tyro
from tyro.constructors import (
    ConstructorRegistry,
    PrimitiveConstructorSpec,
    PrimitiveTypeInfo,
    StructConstructorSpec,
    StructFieldSpec,
    StructTypeInfo,
)

from taskscape.commands.kinds import is_numbers
from taskscape.commands.settings import classes_of, entries_of, kinds_of, texts
from taskscape.serialization import is_size, read_size, show_size


class RefusedError(Exception):
    """A class of settings rejected its values. For a ``ValueError``, tyro would print a box of its own."""

    def __init__(self, cls: type, message: str) -> None:
        super().__init__(message)
        self.cls = cls


def registry() -> ConstructorRegistry:
    """Return tyro's rules plus our own: a choice has the flags of the chosen class, and a size is ``HxW``."""
    rules = ConstructorRegistry()

    @rules.struct_rule
    def chosen(info: StructTypeInfo) -> StructConstructorSpec | None:
        if entries_of(info.type) is not None:
            specs = [StructFieldSpec(name, cast(Any, type(value)), value, "") for name, value in _items(info.default)]
            return StructConstructorSpec(lambda **entries: entries, tuple(specs))
        if not (isinstance(info.type, type) and is_dataclass(info.type)):
            return None
        return StructConstructorSpec(partial(_construct, info.type), tuple(_fields(info.type, info.default)))

    @rules.primitive_rule
    def size(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
        return _SIZE if is_size(info.type) else None

    return rules


def _construct(cls: type, **values: Any) -> Any:
    try:
        return cls(**values)
    except ValueError as error:
        raise RefusedError(cls, str(error)) from error


def _items(default: Any) -> list[tuple[str, Any]]:
    return list(default.items()) if isinstance(default, Mapping) else []  # tyro also passes types without a default


def _fields(cls: type[Any], default: Any) -> Iterator[StructFieldSpec]:
    kinds, help_texts = kinds_of(cls), texts(cls)
    for field in fields(cls):
        if field.init:
            default_value = field.default if field.default_factory is MISSING else field.default_factory()
            value = getattr(default, field.name) if is_dataclass(default) else default_value
            kind = _resolved(kinds[field.name], value)
            text = help_texts.get(field.name, "")
            yield StructFieldSpec(field.name, kind, tyro.MISSING if value is MISSING else value, text)


def _resolved(kind: Any, default: Any) -> Any:
    """Return the chosen class if the setting is a choice, otherwise its type."""
    if not classes_of(kind, default):
        return Annotated[kind, _NUMBERS] if is_numbers(kind) else kind
    return type(default) if is_dataclass(default) else Annotated[kind, tyro.conf.Fixed]


# -- sizes -------------------------------------------------------------------------------------------------------------


def _read_size(arguments: list[str]) -> tuple[int, int] | None:
    return None if arguments[0] == "None" else read_size(arguments[0])


_SIZE = PrimitiveConstructorSpec(
    nargs=1,
    metavar="HxW",
    instance_from_str=_read_size,
    is_instance=lambda value: value is None or isinstance(value, tuple),
    str_from_instance=lambda value: [show_size(value)],
)


# -- numbers by name ---------------------------------------------------------------------------------------------------


def _read_numbers(words: list[str]) -> dict[str, float]:
    return dict(zip(words[::2], map(float, words[1::2]), strict=True))


# By default tyro creates one flag per existing name, which leaves no way to add names.
_NUMBERS = PrimitiveConstructorSpec(
    nargs="*",
    metavar="NAME NUMBER ...",
    instance_from_str=_read_numbers,
    is_instance=lambda value: isinstance(value, Mapping),
    str_from_instance=lambda value: [word for name, number in value.items() for word in (name, f"{number:g}")],
)
