"""Plain values and back: saved experiments as YAML, manifests and results as JSON.

What is saved are frozen dataclasses of plain values. Where one of several classes may stand, the file says which one
under the key ``type``, by the class's ``name``::

    optimizer:
      type: sgd
      lr: 0.03

A room of the package says once which classes it has for an abstract base: ``offer(Optimizer, (SGD, Adam))``; the
command line offers the same ones. Reading executes nothing: ``serialization.plain`` gives plain values, and the
dataclasses check them. The one exception is ``type: my.py:MyNetwork``: a class that is not the package's own is saved
by the Python file that defines it, and reading imports that file, which runs it. A file's path is saved relative to the
current folder where it lies within. ``serialization.user_code`` keeps copies of such files.
"""

import reprlib
from abc import ABC
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, TypeGuard, TypeVar, Union, get_args, get_origin

from taskscape.serialization.kinds import bare, in_words, members
from taskscape.serialization.nearest import nearest
from taskscape.serialization.plain import parse_yaml
from taskscape.serialization.sizes import read_size
from taskscape.serialization.user_code import code_beside, code_of, load_name, saved_path

if TYPE_CHECKING:
    import cattrs

T = TypeVar("T")

_OFFERED: dict[type, dict[str, type]] = {}

_MOST_DETAILED = 10_000
"""Values of a content that may each have an error of its own: every one takes kilobytes."""

_MOST_LINES = 20
"""Of one error message."""

_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = 200


def offer(base: type, classes: Iterable[type]) -> None:
    """Say which classes of the package may stand where ``base`` is asked for. Each has a ``name: ClassVar[str]``."""
    _OFFERED[base] = {getattr(cls, "name"): cls for cls in classes}  # noqa: B009


def offered(base: type) -> Mapping[str, type]:
    """Return the classes that were offered for ``base``, by name."""
    return _OFFERED[base]


def is_offered(kind: Any) -> bool:
    """Return whether classes were offered for this abstract base."""
    return isinstance(kind, type) and kind in _OFFERED


def dump(value: Any) -> str:
    """Return a dataclass as YAML. Raises ``ValueError`` for a value that YAML has no plain form for."""
    import yaml

    return yaml.safe_dump(unstructure(value), sort_keys=False, allow_unicode=True)


def parse(text: str, where: str, kind: type[T]) -> T:
    """Return the ``kind`` of dataclass that YAML ``text`` holds; ``where`` names the text in errors, usually a file.

    Raises ``ValueError`` as ``structure``.
    """
    return structure(parse_yaml(text, where), where, kind)


def unstructure(value: Any, field: str = "") -> Any:
    """Return plain values that JSON and YAML can hold. Raises ``ValueError`` that names the field for any other."""
    if is_dataclass(value) and not isinstance(value, type):
        if not _is_option(type(value)) and any(base in _OFFERED for base in type(value).__mro__):
            raise ValueError(
                f"{field.lstrip('.')} is a {type(value).__name__}, without a `name: ClassVar[str]`: add one"
            )
        tag = {"type": _tag(type(value))} if _is_option(type(value)) else {}
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
    """Return the ``kind`` of dataclass that plain values describe; ``where`` names them in errors, usually a file.

    Users' files that are gone or have changed are replaced by the copies that ``keep_code`` has left beside the file,
    unless ``kept_code`` is false.

    Raises ``ValueError`` that names the field, and the nearest valid name for one that does not exist.
    """
    import cattrs

    try:
        with code_beside(Path(where).parent if kept_code else None):
            value: T = _converter(_is_small(content)).structure(content, kind)
    except Exception as error:  # cattrs raises a group of whatever the fields raise
        lines = cattrs.transform_error(error, path="", format_exception=_explain)
        more = [f"{where}: and {len(lines) - _MOST_LINES} more"] if len(lines) > _MOST_LINES else []
        raise ValueError("\n".join([_located(where, line) for line in lines[:_MOST_LINES]] + more)) from error
    return value


def _tag(cls: type) -> str:
    """Return what names a class in a file."""
    if cls.__module__.split(".")[0] == "taskscape":
        return str(getattr(cls, "name", cls.__name__))
    return f"{saved_path(cls).as_posix()}:{cls.__qualname__}"


# -- reading -----------------------------------------------------------------------------------------------------------


@cache
def _converter(detailed: bool) -> "cattrs.Converter":
    """Return what reads dataclasses; it collects every error with its field, or ends at the first one."""
    import cattrs

    converter = cattrs.Converter(forbid_extra_keys=True, detailed_validation=detailed)
    for kind in (bool, int, float, str, Path):
        converter.register_structure_hook(kind, _scalar)
    # cattrs asks the hook first that was registered last: a choice of dataclasses is a union and a dataclass too.
    converter.register_structure_hook_factory(_is_collection, lambda kind: _collection(kind, converter))
    as_list = converter.get_structure_hook(tuple[int, int])
    converter.register_structure_hook_func(
        is_size, lambda value, kind: read_size(value) if isinstance(value, str) else as_list(value, kind)
    )
    converter.register_structure_hook_factory(_is_plain_union, lambda kind: _first_that_fits(kind, converter))
    converter.register_structure_hook_factory(_is_literal, _one_of)
    converter.register_structure_hook_factory(is_dataclass, lambda kind: _one_dataclass(kind, converter))
    converter.register_structure_hook_factory(_is_choice, lambda kind: _choice(kind, converter))
    return converter


def _collection(kind: Any, converter: "cattrs.Converter") -> Callable[[Any, Any], Any]:
    """Return what reads a mapping, a list or a tuple; cattrs alone would take text letter by letter."""
    from cattrs.cols import list_structure_factory, mapping_structure_factory

    inner: Callable[[Any, Any], Any]
    form: Any = list | tuple
    if issubclass(get_origin(kind), Mapping):
        inner, form = mapping_structure_factory(kind, converter), Mapping
        wanted = in_words(kind)
    elif get_origin(kind) is tuple:
        inner = converter._structure_tuple  # noqa: SLF001 - its public factory takes values of one type alone
        count = 0 if Ellipsis in get_args(kind) else len(get_args(kind))
        wanted = f"a list of {count}" if count else "a list"
    else:
        inner, wanted = list_structure_factory(kind, converter), "a list"

    def read(value: Any, _: Any) -> Any:
        if not isinstance(value, form):
            raise ValueError(f"{_REPR.repr(value)} is not {wanted}")
        return inner(value, kind)

    return read


def _is_small(content: Any) -> bool:
    """Return whether plain values are fewer than ``_MOST_DETAILED``."""
    rest, count = [content], 0
    while rest and count < _MOST_DETAILED:
        value = rest.pop()
        items = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
        count += len(items)
        rest += [item for item in items if isinstance(item, Mapping | list | tuple)]
    return count < _MOST_DETAILED


def _scalar(value: Any, kind: type) -> Any:
    if kind is float and isinstance(value, int | str) and not isinstance(value, bool):
        try:
            return float(value)  # YAML reads 1e-4 as text: it wants 1.0e-4
        except ValueError:
            pass
    elif kind is Path and isinstance(value, str):
        return Path(value)
    elif type(value) is kind:
        return value
    raise ValueError(f"{_REPR.repr(value)} is not {in_words(kind)}")


def _one_of(literal: Any) -> Callable[[Any, Any], Any]:
    allowed = {(type(value), value) for value in get_args(literal)}

    def read(value: Any, _: Any) -> Any:
        if not isinstance(value, str | int) or (type(value), value) not in allowed:  # 1 is not true
            raise ValueError(f"{_REPR.repr(value)} is none of {', '.join(map(str, get_args(literal)))}")
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
            except Exception as error:  # cattrs raises a group of whatever the members raise
                reasons.append(_explain(error, None))
        raise ValueError(" and ".join(reasons))

    return read


def _one_dataclass(cls: type, converter: "cattrs.Converter") -> Callable[[Any, Any], Any]:
    """Return what reads one dataclass; ``type`` may be left out or name a class that may stand for it."""
    from cattrs.gen import make_dict_structure_fn

    from_dict: Callable[[Any, Any], Any] = make_dict_structure_fn(cls, converter, _cattrs_forbid_extra_keys=True)

    def read(value: Any, _: Any) -> Any:
        if not isinstance(value, Mapping):
            raise ValueError(f"{_REPR.repr(value)} is not a mapping of {', '.join(f.name for f in fields(cls))}")
        tag = value.get("type") if _is_option(cls) else None
        if tag is not None and tag != _tag(cls):
            named = _named(tag, {_tag(cls): cls}, cls)
            if named is not cls:  # a kept copy of a user's file has another path than the tag says
                return converter.structure(value, named)
        return from_dict({key: item for key, item in value.items() if key != "type" or tag is None}, cls)

    return read


def _choice(kind: Any, converter: "cattrs.Converter") -> Callable[[Any, Any], Any]:
    """Return what reads one of several dataclasses, by ``type``: an abstract base, or a union."""
    of = members(kind)
    classes = {name: cls for member in of if member is not NoneType for name, cls in _classes(member).items()}

    def read(value: Any, _: Any) -> Any:
        if value is None and NoneType in of:
            return None
        if not isinstance(value, Mapping):
            raise ValueError(f"{_REPR.repr(value)} is not a mapping with the key 'type'")
        if "type" not in value:
            if "is" in value:
                raise ValueError("the key 'is' is that of an earlier version, which is not read; train the run again")
            if len(classes) > 1:
                raise ValueError(f"the key 'type' is missing: one of {', '.join(classes)}")
            return converter.structure(value, next(iter(classes.values())))
        base = of[0] if len(of) == 1 else None
        return converter.structure(value, _named(value["type"], classes, base))

    return read


def _classes(member: type) -> Mapping[str, type]:
    """Return the classes that may stand where ``member`` is asked for, by name."""
    return _OFFERED.get(member) or {_tag(member): member}


def _named(tag: Any, classes: Mapping[str, type], base: type | None) -> type:
    """Return the class that ``tag`` names: one of these, or a relative from a user's file."""
    if not isinstance(tag, str):
        raise ValueError(f"type is {_REPR.repr(tag)}, which is no text")
    if tag in classes:
        return classes[tag]
    file, colon, name = str(tag).rpartition(":")
    if not colon:
        by_class = {cls.__name__.removesuffix("Config").lower(): name for name, cls in classes.items()}
        likely = by_class.get(str(tag).lower())
        raise ValueError(
            f"there is no {_REPR.repr(tag)}" + (f"; did you mean {likely}?" if likely else nearest(str(tag), classes))
        )
    cls = load_name(code_of(Path(file)), name)
    if not _is_option(cls):
        raise ValueError(f"{tag} is not a dataclass with a `name: ClassVar[str]`")
    if base is not None and is_offered(base):
        bases: tuple[type, ...] = (base,)
    else:
        first = next(iter(classes.values()))
        bases = tuple(parent for parent in first.__mro__[1:] if parent not in (ABC, object)) or tuple(classes.values())
    if not issubclass(cls, bases):
        raise ValueError(f"{tag} is not a subclass of {bases[-1].__name__}")
    return cls


def _explain(error: BaseException, _: type | None) -> str:
    import cattrs

    if isinstance(error, cattrs.ForbiddenExtraKeysError):
        known = [f.name for f in fields(error.cl)]
        return "; ".join(
            f"there is no field {name!r}{nearest(name, known)}"
            for name in sorted(map(str, error.extra_fields))[:_MOST_LINES]
        )
    if isinstance(error, KeyError):
        return "is missing"
    if isinstance(error, cattrs.BaseValidationError):
        return "; ".join(_explain(inner, None) for inner in error.exceptions)
    return str(error) or type(error).__name__


def _located(where: str, line: str) -> str:
    """Turn cattrs' ``message @ .field.path`` into ``where: field.path: message``."""
    message, _, path = line.rpartition(" @ ")
    return ": ".join(part for part in (where, path.lstrip("."), message) if part)


# -- kinds of types ----------------------------------------------------------------------------------------------------


def _is_option(cls: Any) -> TypeGuard[type]:
    """Return whether this is a dataclass with a name of its own, as those are that one chooses between."""
    if not (isinstance(cls, type) and is_dataclass(cls)):
        return False
    return isinstance(getattr(cls, "name", None), str) and all(field.name != "name" for field in fields(cls))


def _is_collection(kind: Any) -> bool:
    origin = get_origin(kind)
    return isinstance(origin, type) and issubclass(origin, Mapping | list | tuple)


def _is_literal(kind: Any) -> bool:
    return get_origin(kind) is Literal


def is_size(kind: Any) -> bool:
    """Return whether a type is that of a size in pixels, height and width, or of one that may be left out."""
    of = members(kind)
    if len(of) > 1:
        return NoneType in of and any(is_size(member) for member in of)
    return get_origin(of[0]) is tuple and [bare(one) for one in get_args(of[0])] == [int, int]


def _is_union(kind: Any) -> bool:
    return get_origin(kind) in (Union, UnionType)


def _stands_for_others(kind: Any) -> bool:
    """Return whether other classes may stand for this one: an abstract base with an offer, or a dataclass."""
    return is_offered(kind) or is_dataclass(kind)


def _is_choice(kind: Any) -> bool:
    if _is_union(kind):
        return any(_stands_for_others(bare(member)) for member in get_args(kind))
    return is_offered(kind)


def _is_plain_union(kind: Any) -> bool:
    return _is_union(kind) and not _is_choice(kind)
