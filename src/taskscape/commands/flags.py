"""Flags for settings, after choices have been made: what is left are values, which tyro reads."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import Annotated, Any, cast, get_args, get_origin

import tyro
from tyro.constructors import (
    ConstructorRegistry,
    PrimitiveConstructorSpec,
    PrimitiveTypeInfo,
    StructConstructorSpec,
    StructFieldSpec,
    StructTypeInfo,
)

from taskscape.commands.settings import Choice, Node, Setting, classes_of, entries_of, kinds_of, texts, words_of
from taskscape.serialization import bare, is_size, nearest, read_size, show_size


def registry() -> ConstructorRegistry:
    """Return tyro's rules, and more: a choice has the flags of the class that was chosen, and a size is ``HxW``."""
    rules = ConstructorRegistry()

    @rules.struct_rule
    def chosen(info: StructTypeInfo) -> StructConstructorSpec | None:
        if entries_of(info.type) is not None:
            specs = [StructFieldSpec(name, cast(Any, type(one)), one, "") for name, one in _items(info.default)]
            return StructConstructorSpec(lambda **entries: entries, tuple(specs))
        if not (isinstance(info.type, type) and is_dataclass(info.type)):
            return None
        return StructConstructorSpec(info.type, tuple(_fields(info.type, info.default)))

    @rules.primitive_rule
    def size(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
        return _SIZE if is_size(info.type) else None

    return rules


def _items(default: Any) -> list[tuple[str, Any]]:
    return list(default.items()) if isinstance(default, Mapping) else []  # tyro asks for types without a default too


def _fields(cls: type[Any], default: Any) -> Iterator[StructFieldSpec]:
    kinds, about = kinds_of(cls), texts(cls)
    for field in fields(cls):
        if field.init:
            unset = field.default if field.default_factory is MISSING else field.default_factory()
            value = getattr(default, field.name) if is_dataclass(default) else unset
            kind = _concrete(kinds[field.name], value)
            text = about.get(field.name, "")
            yield StructFieldSpec(field.name, kind, tyro.MISSING if value is MISSING else value, text)


def _concrete(kind: Any, default: Any) -> Any:
    """Return the class that was chosen where there is a choice."""
    if not classes_of(kind, default):
        return Annotated[kind, _NUMBERS] if is_numbers(kind) else kind
    return type(default) if is_dataclass(default) else Annotated[kind, tyro.conf.Fixed]


# -- sizes -------------------------------------------------------------------------------------------------------------


def _read_size(arguments: list[str]) -> tuple[int, int] | None:
    text = "x".join(arguments)
    return None if text.lower() == "none" else read_size(text)


_SIZE = PrimitiveConstructorSpec(
    nargs=(1, 2),
    metavar="HxW",
    instance_from_str=_read_size,
    is_instance=lambda value: value is None or isinstance(value, tuple),
    str_from_instance=lambda value: [show_size(value)],
)


# -- numbers by name ---------------------------------------------------------------------------------------------------


def is_numbers(kind: Any) -> bool:
    """Return whether a type is that of numbers by name, such as weights of tasks."""
    origin, arguments = get_origin(bare(kind)), get_args(bare(kind))
    return isinstance(origin, type) and issubclass(origin, Mapping) and [bare(one) for one in arguments] == [str, float]


def _read_numbers(words: list[str]) -> dict[str, float]:
    names, numbers = words[::2], words[1::2]
    try:
        return dict(zip(names, map(float, numbers), strict=True))
    except ValueError:
        raise ValueError(f"{' '.join(words)} is not NAME NUMBER ..., such as semseg 0.6 depth 0.4") from None


# tyro makes a flag of each name where there are some, which leaves no way to write others.
_NUMBERS = PrimitiveConstructorSpec(
    nargs="*",
    metavar="NAME NUMBER ...",
    instance_from_str=_read_numbers,
    is_instance=lambda value: isinstance(value, Mapping),
    str_from_instance=lambda value: [word for name, number in value.items() for word in (name, f"{number:g}")],
)


# -- names and words that are known beforehand -------------------------------------------------------------------------


def check(arguments: Sequence[str], tree: Iterable[Node], others: Iterable[str] = ()) -> None:
    """Raise ``ValueError`` with the nearest names for a flag that does not exist, or a word that a flag does not take,
    and for a flag that is given twice.

    ``tree`` has the settings, ``others`` the flags that set something else.
    """
    tree = list(tree)
    settings = by_flag(tree)
    seen: set[str] = set()
    for flag, value in given(arguments):
        name = settings[flag].path if flag in settings else flag
        if name in seen:
            raise ValueError(f"--{flag} is given twice: leave one out")
        seen.add(name)
        if flag in settings and (words := words_of(settings[flag].kind)):
            if value and value not in words:
                raise ValueError(f"--{flag}: there is no {value!r}{nearest(value, words)}")
        elif flag not in settings and flag not in others:
            raise ValueError(f"there is no flag --{flag}{_other_classes(flag, tree) or _near(flag, tree, others)}")


def switched(arguments: Sequence[str], tree: Iterable[Node]) -> list[str]:
    """Return the arguments with ``--flag True`` and ``--flag=False`` of a switch as ``--flag`` and ``--no-flag``."""
    off = {f"--{one.flags[0]}": f"--{one.flags[1]}" for one in tree if isinstance(one, Setting) and len(one.flags) == 2}
    spelled: list[str] = []
    for argument in arguments:
        flag, equals, value = argument.partition("=")
        for word in (flag, value) if equals and flag.replace("_", "-") in off else (argument,):
            switch = spelled[-1].replace("_", "-") if spelled else ""
            if switch in off and word.lower() in ("true", "false"):
                spelled[-1] = switch if word.lower() == "true" else off[switch]
            else:
                spelled.append(word)
    return spelled


def by_flag(tree: Iterable[Node]) -> dict[str, Setting]:
    """Return the setting of each flag, without the dashes in front."""
    return {flag: node for node in tree if isinstance(node, Setting) for flag in node.flags}


def given(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Return each flag among the arguments, without the dashes in front, and the word that follows it, if any."""
    for argument, after in zip(arguments, [*arguments[1:], ""], strict=False):
        name, equals, value = argument.partition("=")
        if name.startswith("--") and name != "--":
            yield name[2:].replace("_", "-"), value if equals else "" if after.startswith("--") else after


def _other_classes(name: str, tree: Iterable[Node]) -> str:
    """Return the end of an error message: the choices that have a flag, which the class that was chosen lacks."""
    for node in tree:
        place = node.flag + "."
        if isinstance(node, Choice) and name.startswith(place):
            field = name.removeprefix(place).replace("-", "_")
            having = [other for other, cls in node.classes.items() if cls is not None and field in kinds_of(cls)]
            if having:
                more = " and others" if len(having) > 3 else ""
                return f"; it belongs to {', '.join(f'{node.path}:{other}' for other in having[:3])}{more}"
    return ""


def _near(name: str, tree: Iterable[Node], others: Iterable[str]) -> str:
    """Return the end of an error message: the flags most like this one, of those with the same last word if any."""
    known = [*(node.flag for node in tree if isinstance(node, Setting)), *others]
    last = name.rpartition(".")[2]
    same = [flag for flag in known if flag.rpartition(".")[2] == last]
    return nearest(f"--{name}", [f"--{flag}" for flag in same or known]) if same or known else ""
