"""Choices on the command line, such as ``network:deeplab-branched``, which replace one class of settings by another.

Values that were set before are kept where the new class has the same field.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import tyro

from taskscape.commands.settings import (
    NONE,
    Choice,
    Entries,
    classes_of,
    entries_of,
    kebab,
    kinds_of,
    nodes,
)
from taskscape.serialization import load_name, nearest

T = TypeVar("T")


def split(arguments: Sequence[str], names: Iterable[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the choices among the arguments, each as its path and name, and all other arguments.

    A choice is ``PATH:NAME``. Directly after a flag it counts as the flag's value, unless its path starts with one of
    ``names``.
    """
    roots = set(names)
    choices, others = [], []
    for previous, argument in zip(["", *arguments], arguments, strict=False):
        match = re.fullmatch(r"(\w[\w.-]*):(.+)", argument)
        is_value = previous.startswith("--") and "=" not in previous
        if match and (underscored(match[1].partition(".")[0]) in roots or not is_value):
            choices.append((match[1], match[2]))
        else:
            others.append(argument)
    return choices, others


def chosen(default: T, choices: Iterable[tuple[str, str]]) -> T:
    """Apply choices to a dataclass of settings and return the result.

    The order of the choices does not matter: outer ones are applied first, and ``none`` last. Raises ``ValueError`` for
    an unknown choice, with the nearest names.
    """
    for path, name in sorted(choices, key=lambda choice: (choice[1] == NONE, choice[0].count("."))):
        default = _with_choice(default, path.split("."), name, path, default)
    return default


def _with_choice(value: Any, parts: list[str], name: str, path: str, root: Any) -> Any:
    """Return ``value`` with the class at the given path replaced."""
    field, remaining = underscored(parts[0]), parts[1:]
    names = {f.name for f in fields(value)} if is_dataclass(value) else set()
    if field not in names:
        raise _no_choice(path, root)
    kind, old = kinds_of(type(value))[field], getattr(value, field)
    if (base := entries_of(kind)) is not None and remaining:
        key = next((key for key in old if underscored(key) == underscored(remaining[0])), remaining[0])
        entry = old.get(key)
        if len(remaining) > 1:
            changed = _with_choice(entry, remaining[1:], name, path, root)
        else:
            changed = _replaced(entry, {**classes_of(base, entry), NONE: None}, name, path)
        entries = {**old, key: changed}
        return replace(value, **{field: {k: entry for k, entry in entries.items() if entry is not None}})
    if remaining:
        return replace(value, **{field: _with_choice(old, remaining, name, path, root)})
    classes = classes_of(kind, old)
    if not classes:
        raise _no_choice(path, root)
    return replace(value, **{field: _replaced(old, classes, name, path)})


def _replaced(old: Any, classes: Mapping[str, type | None], name: str, path: str) -> Any:
    cls = _find_class(classes, name, path)
    return old if cls is type(old) else None if cls is None else _converted(cls, old)


def _find_class(classes: Mapping[str, type | None], name: str, path: str) -> type | None:
    aliases = {kebab(cls): cls for cls in classes.values() if cls is not None}
    if name in classes or name in aliases:
        return classes[name] if name in classes else aliases[name]
    file, colon, qualified = name.rpartition(":")
    if colon and file.endswith(".py"):
        cls = load_name(Path(file), qualified)
        bases = {base for option in classes.values() if option is not None for base in option.__mro__[1:-2]}
        if isinstance(cls, type) and is_dataclass(cls) and issubclass(cls, tuple(bases)):
            return cls
        raise ValueError(f"{path}: {name} is not a class that can be used there")
    raise ValueError(f"{path}: there is no {name!r}{nearest(name, classes)}")


def _converted(cls: type, old: Any) -> Any:
    """Return an instance of ``cls`` that keeps the values of ``old``.

    These are values that differ from their default, in fields that both classes have with the same type.
    """
    kinds = kinds_of(cls)
    values = dict(changed_fields(old))
    kept = {f.name: values[f.name][0] for f in fields(cls) if values.get(f.name, (0, 0))[1] == kinds[f.name]}
    required = {f.name: tyro.MISSING for f in fields(cls) if f.default is f.default_factory is MISSING and f.init}
    return cls(**required | kept)


def changed_fields(value: Any) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """Yield the fields whose value is not the default, each with its value and type."""
    for field in fields(value) if is_dataclass(value) else ():
        default = field.default if field.default_factory is MISSING else field.default_factory()
        current = getattr(value, field.name)
        if field.init and current is not tyro.MISSING and current != default:
            yield field.name, (current, kinds_of(type(value))[field.name])


def _no_choice(path: str, root: Any) -> ValueError:
    choices = {node.path: node for node in nodes(root) if isinstance(node, Choice | Entries)}
    if isinstance(choices.get(path), Entries):
        return ValueError(f"{path} has names: write {path}.NAME:KIND")
    candidates = [candidate for candidate in choices if candidate.rpartition(".")[2] == path.rpartition(".")[2]]
    return ValueError(f"there is no choice {path!r}{nearest(path, candidates or choices)}")


def underscored(name: str) -> str:
    """Return a name with underscores instead of dashes, as in names of fields."""
    return name.replace("-", "_")
