"""Commands written as functions: their help pages, and calls with command-line arguments.

A positional-only parameter becomes a positional argument, a keyword-only one a flag, and a dataclass adds the flags of
its fields. The help texts of parameters are in the function's docstring, under ``Args:``.
"""

import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, NamedTuple, get_origin, get_type_hints

import tyro

from taskscape.commands.arguments import Arguments, Place, read
from taskscape.commands.flags import RefusedError, registry
from taskscape.commands.kinds import expected, is_switch, metavar
from taskscape.commands.layout import line, usage, wrapped
from taskscape.commands.lines import assignment, switches, with_words
from taskscape.commands.settings import Setting, nodes, plain
from taskscape.serialization import bare

HELP = ("-h", "--help")

EMPTY: tuple[Any, ...] = (None, (), {}, "")
"""Defaults that are not informative; the help shows the type of the flag's value instead."""


class Signature(NamedTuple):
    """The command-line interface of a function."""

    text: str
    """Its description, in paragraphs."""
    places: list[Place]
    settings: list[Setting]
    named: dict[str, str]
    """Metavariables of flags whose type is not descriptive enough."""


def call(function: Callable[..., None], arguments: Sequence[str], command: str) -> None:
    """Call a function with the values of command-line arguments, or print its help and exit.

    Raises ``ValueError`` under the same conditions as ``arguments.read``.
    """
    words = checked(function, arguments, command).words
    try:
        tyro.cli(function, args=words, prog=f"taskscape {command}", registry=registry(), add_help=False)
    except RefusedError as refused:
        raise ValueError(str(refused)) from refused


def checked(function: Callable[..., None], arguments: Sequence[str], command: str) -> Arguments:
    """Check command-line arguments and return them, or print the help and exit."""
    takes = signature(function)
    if any(word in HELP for word in arguments):
        print("\n".join(page(takes, command)))
        raise SystemExit(0)
    try:
        return read(arguments, takes.settings, takes.places)
    except ValueError as error:
        raise ValueError(f"{error} (taskscape {command} --help lists everything)") from None


def signature(function: Callable[..., None]) -> Signature:
    """Return the command-line interface of a function, from its parameters and docstring."""
    text, _, args = (inspect.getdoc(function) or "").partition("\n\nArgs:\n")
    texts = {one[1]: plain(one[2]) for one in re.finditer(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", args, re.MULTILINE)}
    kinds = get_type_hints(function, include_extras=True)
    takes = Signature(text, [], [], {})
    for name, parameter in inspect.signature(function).parameters.items():
        kind, optional = kinds[name], parameter.default is not parameter.empty
        notes = getattr(kind, "__metadata__", ())
        shown = metavar(kind)
        said = texts.get(name) or next((str(one.help) for one in notes if getattr(one, "help", None)), "")
        if parameter.kind is parameter.POSITIONAL_ONLY:
            many = get_origin(bare(kind)) is tuple
            takes.places.append(Place(shown or name.upper(), kind, said, optional, many))
        elif is_dataclass(cls := bare(kind)):
            takes.settings.extend(one for one in nodes(_unset(cls)) if isinstance(one, Setting))
        else:
            takes.settings.append(Setting(name, kind, parameter.default if optional else tyro.MISSING, said))
            takes.named[name] = shown
    return takes


def _unset(cls: Any) -> Any:
    """Return an instance of a dataclass with its defaults, where ``MISSING`` marks fields without one."""
    required = [one.name for one in fields(cls) if one.default is one.default_factory is MISSING and one.init]
    return cls(**dict.fromkeys(required, tyro.MISSING))


# -- pages -------------------------------------------------------------------------------------------------------------


def page(takes: Signature, command: str) -> Iterator[str]:
    """Yield the lines of a command's help."""
    required = [_flag(one, takes) for one in takes.settings if one.value is tyro.MISSING]
    optional = [one for one in takes.settings if one.value is not tyro.MISSING]
    places = [f"[{place.name}]" if place.optional else place.name for place in takes.places]
    yield from usage(" ".join(["taskscape", command, *places, *required, *["[--OPTION ...]"] * bool(optional)]))
    for paragraph in takes.text.split("\n\n"):
        yield ""
        yield from wrapped(plain(paragraph))
    if takes.places:
        yield ""
    for place in takes.places:
        yield from line(place.name, place.text)
    if takes.settings:
        yield ""
    for one in takes.settings:
        yield from line(_flag(one, takes), with_words(one))
    if any(one.value not in EMPTY and not is_switch(one.kind) for one in optional):
        yield from ["", *wrapped("The values shown are the defaults.")]
    yield from switches(takes.settings)


def _flag(one: Setting, takes: Signature) -> str:
    """Return a flag with its default value, or else with its metavariable."""
    if one.value in EMPTY or one.value is tyro.MISSING:
        return f"--{one.flag} {takes.named.get(one.path) or expected(one.kind, short=True)}"
    return assignment(one)
