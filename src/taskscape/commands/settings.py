"""The settings of an experiment as a tree: everything that a command line can change, with names, values and texts.

A name is a path of fields, such as ``optimizer.lr``; in a flag, dashes replace underscores: ``--optimizer.lr 3e-4``. A
path whose value can be one of several classes is a choice: ``optimizer:sgd``. All functions accept any dataclass whose
choices were registered with ``taskscape.serialization.offer``: the package's classes, classes from a user's file, and
the stand-ins of ``described``.
"""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from itertools import pairwise
from types import NoneType
from typing import Any, Literal, cast, get_args, get_origin, get_type_hints

from tyro.constructors import PrimitiveConstructorSpec

from taskscape.serialization import bare, is_offered, members, offered

NONE = "none"
"""The name that leaves an optional choice empty."""


@dataclass(frozen=True)
class Named:
    """A node of the settings tree."""

    path: str

    @property
    def flag(self) -> str:
        """The path with dashes instead of underscores; for a setting, its flag without the leading dashes."""
        return self.path.replace("_", "-")


@dataclass(frozen=True)
class Setting(Named):
    """A value that can be set with a flag."""

    kind: Any
    """The type of the value."""
    value: Any
    text: str

    @property
    def flags(self) -> tuple[str, ...]:
        """The flag and, for a switch, the flag that turns it off."""
        head, dot, name = self.flag.rpartition(".")
        return (self.flag, f"{head}{dot}no-{name}") if bare(self.kind) is bool else (self.flag,)


@dataclass(frozen=True)
class Choice(Named):
    """A field whose value is an instance of one of several classes."""

    classes: Mapping[str, type | None]
    """The allowed classes by name, including None if the field is optional."""
    value: Any
    text: str

    @property
    def chosen(self) -> str:
        """The name of the present class."""
        return next((name for name, cls in self.classes.items() if cls is type(self.value)), NONE)


@dataclass(frozen=True)
class Entries(Named):
    """A mapping from arbitrary names to choices; ``tasks.NAME:CLASS`` adds an entry."""

    classes: Mapping[str, type | None]
    value: Mapping[str, Any]
    text: str


Node = Setting | Choice | Entries


def nodes(value: Any, prefix: str = "") -> Iterator[Node]:
    """Yield all settings and choices of a dataclass, in the order of its fields."""
    kinds, field_texts = kinds_of(type(value)), texts(type(value))
    for field in fields(value):
        if field.init:
            path, current = f"{prefix}{field.name}", getattr(value, field.name)
            yield from _nodes(path, kinds[field.name], current, field_texts.get(field.name, ""))


def by_flag(tree: Iterable[Node]) -> dict[str, Setting]:
    """Return the settings by flag, without the leading dashes."""
    return {flag: node for node in tree if isinstance(node, Setting) for flag in node.flags}


def _nodes(path: str, kind: Any, value: Any, text: str) -> Iterator[Node]:
    base = entries_of(kind)
    if base is not None:
        yield Entries(path, classes_of(base) | {NONE: None}, value, text)
        for key, entry in value.items():
            yield Choice(f"{path}.{key}", classes_of(base, entry) | {NONE: None}, entry, "")
            yield from nodes(entry, f"{path}.{key}.")
        return
    classes = classes_of(kind, value)
    if not classes:
        yield Setting(path, kind, value, text)
        return
    yield Choice(path, classes, value, text)
    if is_dataclass(value):
        yield from nodes(value, f"{path}.")


def entries_of(kind: Any) -> Any:
    """Return the abstract base class of the values if the type is a mapping to choices, otherwise None."""
    kind = bare(kind)
    origin, arguments = get_origin(kind), get_args(kind)
    is_mapping = isinstance(origin, type) and issubclass(origin, Mapping)
    return arguments[-1] if is_mapping and is_offered(arguments[-1]) else None


def classes_of(kind: Any, value: Any = None) -> dict[str, type | None]:
    """Return the classes allowed for a field of type ``kind``, by name; empty if the type is not a choice.

    The class of ``value``, which may come from a user's file, is included.
    """
    if words_of(kind):
        return {}
    kinds = members(kind)
    classes: dict[str, type | None] = {}
    for member in kinds:
        if is_offered(member):
            classes |= offered(member)
        elif is_dataclass(member) and isinstance(member, type):
            classes[name_of(member)] = member
    if not classes and not is_dataclass(value):
        return {}
    if is_dataclass(value) and type(value) not in classes.values():
        classes[name_of(type(value))] = type(value)
    return classes | {NONE: None} if NoneType in kinds else classes


def words_of(kind: Any) -> list[str] | None:
    """Return the allowed words of a setting, or None if it is a number, arbitrary text or a choice."""
    specs = [x for x in getattr(kind, "__metadata__", ()) if isinstance(x, PrimitiveConstructorSpec) and x.choices]
    if specs:
        return list(specs[0].choices or ())
    kind = bare(kind)
    return [str(word) for word in get_args(kind)] if get_origin(kind) is Literal else None


def name_of(cls: type) -> str:
    """Return the name of a class on the command line."""
    name = getattr(cls, "name", None)
    return name if isinstance(name, str) else kebab(cls)


def kebab(cls: type) -> str:
    """Return a class's name in lower case with dashes: ``surface-normals``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", cls.__name__.removesuffix("Config")).lower()


def kinds_of(cls: type) -> dict[str, Any]:
    """Return the types of a dataclass's fields."""
    return get_type_hints(cls, include_extras=True)


def texts(cls: type) -> dict[str, str]:
    """Return the docstrings of a dataclass's fields, each as a single line of plain text."""
    field_texts: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if is_dataclass(base):
            field_texts |= {f.name: f.metadata["text"] for f in fields(base) if "text" in f.metadata}  # for a stand-in
            field_texts |= _texts_in_source(cast(Any, base))
    return field_texts


@cache
def _texts_in_source(cls: Any) -> dict[str, str]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    except (OSError, TypeError, SyntaxError):
        return {}  # the class has no source file
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    field_texts = {}
    for field, following in pairwise(body):
        match field, following:
            case ast.AnnAssign(ast.Name(name)), ast.Expr(ast.Constant(str(text))):
                field_texts[name] = plain(text)
    return field_texts


def plain(text: str) -> str:
    """Return a docstring as a single line without markup."""
    return " ".join(text.replace("``", "").split())


def summary(cls: type) -> str:
    """Return a one-sentence description of a class, from its docstring."""
    paragraph = plain((cls.__doc__ or "").strip().partition("\n\n")[0])
    sentence = re.split(r"[.:](?:\s|$)|\s\([^()]*\b\d{4}\b|,? \(B, ", paragraph)[0]  # without citations and shapes
    return f"{sentence}." if sentence else ""
