"""The settings of an experiment as a tree: what a command line can change, by name, with values and texts.

A name is a path of fields, as ``optimizer.lr``, in a flag with dashes for underscores: ``--optimizer.lr 3e-4``. Where
one of several classes may stand, the path is that of a choice: ``optimizer:sgd``. All functions take any dataclass
whose choices were offered (``taskscape.serialization.offer``): the package's classes, those of a user's file, and
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
"""The name of the choice that leaves out what may be left out."""


@dataclass(frozen=True)
class Named:
    """What has a place in the tree."""

    path: str

    @property
    def flag(self) -> str:
        """The path with dashes: of a setting the flag, without the dashes in front."""
        return self.path.replace("_", "-")


@dataclass(frozen=True)
class Setting(Named):
    """A value that a flag sets."""

    kind: Any
    """Its type."""
    value: Any
    text: str

    @property
    def flags(self) -> tuple[str, ...]:
        """The flag and, of a switch, the one that turns it off."""
        head, dot, name = self.flag.rpartition(".")
        return (self.flag, f"{head}{dot}no-{name}") if bare(self.kind) is bool else (self.flag,)


@dataclass(frozen=True)
class Choice(Named):
    """A place where one of several classes may stand."""

    classes: Mapping[str, type | None]
    """The classes by name, those that may stand there; None for a place that may be left empty."""
    value: Any
    text: str

    @property
    def chosen(self) -> str:
        """The name of the class that stands there."""
        return next((name for name, cls in self.classes.items() if cls is type(self.value)), NONE)


@dataclass(frozen=True)
class Entries(Named):
    """A mapping from free names to choices: ``tasks.NAME:CLASS`` adds one."""

    classes: Mapping[str, type | None]
    value: Mapping[str, Any]
    text: str


Node = Setting | Choice | Entries


def nodes(value: Any, prefix: str = "") -> Iterator[Node]:
    """Return all settings and choices of a dataclass, in the order of its fields."""
    kinds, about = kinds_of(type(value)), texts(type(value))
    for field in fields(value):
        if field.init:
            path, current = f"{prefix}{field.name}", getattr(value, field.name)
            yield from _nodes(path, kinds[field.name], current, about.get(field.name, ""))


def by_flag(tree: Iterable[Node]) -> dict[str, Setting]:
    """Return the setting of each flag, without the dashes in front."""
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
    """Return the abstract base whose classes stand in a mapping of this type, None for any other type."""
    kind = bare(kind)
    origin, arguments = get_origin(kind), get_args(kind)
    is_mapping = isinstance(origin, type) and issubclass(origin, Mapping)
    return arguments[-1] if is_mapping and is_offered(arguments[-1]) else None


def classes_of(kind: Any, value: Any = None) -> dict[str, type | None]:
    """Return the classes that may stand where ``kind`` is asked for, by name; none where it is no choice.

    The class of ``value``, perhaps from a user's file, is among them.
    """
    if words_of(kind):
        return {}
    of = members(kind)
    found: dict[str, type | None] = {}
    for member in of:
        if is_offered(member):
            found |= offered(member)
        elif is_dataclass(member) and isinstance(member, type):
            found[name_of(member)] = member
    if not found and not is_dataclass(value):
        return {}
    if is_dataclass(value) and type(value) not in found.values():
        found[name_of(type(value))] = type(value)
    return found | {NONE: None} if NoneType in of else found


def words_of(kind: Any) -> list[str] | None:
    """Return the words that a setting may be, None where it is a number, any text, or a choice."""
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
    """Return what a dataclass says of its fields, in the strings that follow them, as plain text in one line each."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if is_dataclass(base):
            found |= {f.name: f.metadata["text"] for f in fields(base) if "text" in f.metadata}  # of a stand-in
            found |= _texts_in_source(cast(Any, base))
    return found


@cache
def _texts_in_source(cls: Any) -> dict[str, str]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    except (OSError, TypeError, SyntaxError):
        return {}  # made without a file
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    found = {}
    for field, after in pairwise(body):
        match field, after:
            case ast.AnnAssign(ast.Name(name)), ast.Expr(ast.Constant(str(text))):
                found[name] = plain(text)
    return found


def plain(text: str) -> str:
    """Return a docstring's text in one line, without its marks."""
    return " ".join(text.replace("``", "").split())


def summary(cls: type) -> str:
    """Return what a class is in one sentence."""
    first = plain((cls.__doc__ or "").strip().partition("\n\n")[0])
    sentence = re.split(r"[.:](?:\s|$)|\s\([^()]*\b\d{4}\b|,? \(B, ", first)[0]  # without citations and shapes
    return f"{sentence}." if sentence else ""
