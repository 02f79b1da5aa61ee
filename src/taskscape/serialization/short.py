"""Short representations of dataclasses, with only the fields that differ from their defaults."""

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any


def short(value: Any) -> str:
    """Return a value as Python code, leaving out fields of dataclasses that have their default.

    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Cake:
    ...     layers: int = 3
    ...     cream: str = "none"
    >>> short({"birthday": Cake(cream="lemon")})
    "{'birthday': Cake(cream='lemon')}"
    """
    if is_dataclass(value) and not isinstance(value, type):
        arguments = [f"{name}={_short_item(item)}" for name, item in _changed_fields(value).items()]
        return f"{type(value).__name__}({', '.join(arguments)})"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key!r}: {_short_item(item)}" for key, item in value.items()) + "}"
    if isinstance(value, tuple):
        return f"({', '.join(map(_short_item, value))}{',' * (len(value) == 1)})"
    return repr(str(value)) if isinstance(value, Path) else repr(value)


def _short_item(value: Any) -> str:
    """Return the short form of a value, or its ``repr`` if its class defines one."""
    parameters = getattr(type(value), "__dataclass_params__", None)
    return short(value) if parameters is None or parameters.repr else repr(value)


def _changed_fields(value: Any) -> dict[str, Any]:
    changed = {}
    for field in fields(value):
        if field.init:
            default = field.default if field.default_factory is MISSING else field.default_factory()
            if (current := getattr(value, field.name)) != default:
                changed[field.name] = current
    return changed
