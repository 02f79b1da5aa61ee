"""Convert dataclasses to plain values and back: saved experiments as YAML, manifests and results as JSON.

Saved objects are frozen dataclasses of plain values. Where one of several classes can be used, the key ``type`` in the
file has the class's ``name``::

    optimizer:
      type: sgd
      lr: 0.03

Each subpackage registers its classes for an abstract base once, with ``offer(Optimizer, (SGD, Adam))``; the command
line offers the same classes. Reading executes no code: ``serialization.plain`` returns plain values, which the
dataclasses check. The only exception is ``type: my.py:MyNetwork``. A class from outside the package is saved with the
path of the Python file that defines it, and reading imports that file, which runs it. Paths within the current folder
are saved relative to it. ``serialization.user_code`` keeps copies of such files.
"""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

from taskscape.serialization.offers import is_offered, is_option, tag_of
from taskscape.serialization.plain import parse_yaml
from taskscape.serialization.reading import MOST_LINES, converter, explained
from taskscape.serialization.user_code import saved_code

T = TypeVar("T")

_MOST_DETAILED = 10_000
"""Maximum number of values for which every error is collected; each error takes kilobytes."""


def dump(value: Any) -> str:
    """Return a dataclass as YAML. Raises ``ValueError`` for a value without a plain form in YAML."""
    import yaml

    return yaml.safe_dump(unstructure(value), sort_keys=False, allow_unicode=True)


def parse(text: str, where: str, kind: type[T]) -> T:
    """Return the dataclass of type ``kind`` in a YAML text; ``where`` is its name in errors, usually a file.

    Raises ``ValueError`` under the same conditions as ``structure``.
    """
    return structure(parse_yaml(text, where), where, kind)


def unstructure(value: Any, field: str = "") -> Any:
    """Return a value as plain values for JSON and YAML. Raises ``ValueError`` with the field if that is impossible."""
    if is_dataclass(value) and not isinstance(value, type):
        if not is_option(type(value)) and any(map(is_offered, type(value).__mro__)):
            raise ValueError(
                f"{field.lstrip('.')} is a {type(value).__name__}, without a `name: ClassVar[str]`: add one"
            )
        tag = {"type": tag_of(type(value))} if is_option(type(value)) else {}
        return tag | {f.name: unstructure(getattr(value, f.name), f"{field}.{f.name}") for f in fields(value) if f.init}
    if isinstance(value, Mapping):
        return {str(key): unstructure(item, f"{field}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [unstructure(item, f"{field}.{i}") for i, item in enumerate(value)]
    if isinstance(value, Path):
        return str(value)
    if value is None or type(value) in (bool, int, float, str):
        return value
    raise ValueError(f"{field.lstrip('.')} is a {type(value).__name__}, which cannot be saved; use plain values")


def structure(content: Any, where: str, kind: type[T], *, kept_code: bool = True) -> T:
    """Return the dataclass of type ``kind`` described by plain values; ``where`` names them in errors, usually a file.

    If a user's file is gone or has changed, the copy that ``keep_code`` saved next to ``where`` is used instead, unless
    ``kept_code`` is false.

    Raises ``ValueError`` with the field, and for a field or class that does not exist, the nearest valid names.
    """
    import cattrs

    try:
        with saved_code(Path(where).parent if kept_code else None):
            value: T = converter(_is_small(content)).structure(content, kind)
    except Exception as error:  # cattrs raises a group of the errors that the fields raise
        lines = cattrs.transform_error(error, path="", format_exception=explained)
        more = [f"{where}: and {len(lines) - MOST_LINES} more"] if len(lines) > MOST_LINES else []
        raise ValueError("\n".join([_located(where, line) for line in lines[:MOST_LINES]] + more)) from error
    return value


def _is_small(content: Any) -> bool:
    """Return whether there are fewer than ``_MOST_DETAILED`` plain values."""
    stack, count = [content], 0
    while stack and count < _MOST_DETAILED:
        value = stack.pop()
        items = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
        count += len(items)
        stack += [item for item in items if isinstance(item, Mapping | list | tuple)]
    return count < _MOST_DETAILED


def _located(where: str, line: str) -> str:
    """Turn cattrs' ``message @ .field.path`` into ``where: field.path: message``."""
    message, _, path = line.rpartition(" @ ")
    return ": ".join(part for part in (where, path.lstrip("."), message) if part)
