"""Flags for settings of which several classes are possible: the package's own and those of a user's file."""

from collections.abc import Mapping
from dataclasses import is_dataclass, replace
from types import UnionType
from typing import Annotated, Any, Union, cast, get_args, get_origin

import tyro
from tyro.constructors import ConstructorRegistry, StructConstructorSpec, StructFieldSpec, StructTypeInfo

from taskscape.serialization import bare, is_offered, offered


def registry() -> ConstructorRegistry:
    """Return tyro's rules, and one more: where an abstract base is asked for, its classes are chosen by name.

    ``optimizer: OptimizerConfig`` becomes ``optimizer:sgd``, ``optimizer:adam``, …; a mapping of such classes, by free
    names, has a flag per entry of its default and per class of the package, and ``none`` leaves one out. A class from
    a user's file is offered where the default holds one.
    """
    rules = ConstructorRegistry()
    inside: list[type] = []

    @rules.struct_rule
    def choices(info: StructTypeInfo) -> StructConstructorSpec | None:
        if (origin := get_origin(info.type)) is not None:
            arguments = get_args(info.type)
            if isinstance(origin, type) and issubclass(origin, Mapping) and is_offered(arguments[-1]):
                return _entries(arguments[-1], info.default)
            return None
        if not is_dataclass(info.type) or info.type in inside:
            return None
        inside.append(info.type)  # the next rule is tyro's own
        try:
            spec = ConstructorRegistry.get_struct_spec(info)
        finally:
            inside.pop()
        if not isinstance(spec, StructConstructorSpec):
            return None
        return replace(spec, fields=tuple(replace(f, type=_choice(f.type, f.default)) for f in spec.fields))

    return rules


def _choice(kind: Any, default: Any) -> Any:
    """Return the union of the classes that may stand where ``kind`` is asked for."""
    if is_offered(kind):
        classes = [Annotated[cls, tyro.conf.subcommand(name)] for name, cls in offered(kind).items()]
    elif get_origin(kind) in (Union, UnionType) or is_dataclass(kind):
        classes = [kind]
    else:
        return kind
    known = [bare(member) for cls in classes for member in get_args(cls) or (cls,)]
    if is_dataclass(default) and type(default) not in known and type(default) is not kind:
        classes.append(Annotated[type(default), tyro.conf.subcommand(getattr(default, "name", None))])
    return Union[tuple(classes)]  # noqa: UP007


def _entries(base: type, default: Mapping[str, Any]) -> StructConstructorSpec:
    """Return the flags of a mapping from free names to classes of ``base``."""
    absent = {name: cls for name, cls in offered(base).items() if name not in default}
    types = {name: type(value) for name, value in default.items()} | absent
    return StructConstructorSpec(
        instantiate=lambda **entries: {name: entry for name, entry in entries.items() if entry is not None},
        fields=tuple(StructFieldSpec(name, cast(Any, cls | None), default.get(name)) for name, cls in types.items()),
    )
