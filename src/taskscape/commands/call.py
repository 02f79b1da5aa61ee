"""Commands that are functions: their pages of help, and their calls.

A parameter that is given by position only is a place, one by keyword only a flag; a dataclass brings the flags of its
fields. What a parameter is stands in the function's docstring, under ``Args:``.
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
"""Defaults that say nothing: a page has what a flag wants instead."""


class Signature(NamedTuple):
    """What a function takes."""

    text: str
    """What it does, in paragraphs."""
    places: list[Place]
    settings: list[Setting]
    named: dict[str, str]
    """What a page calls the value of a flag, where its type does not say enough."""


def call(function: Callable[..., None], arguments: Sequence[str], command: str) -> None:
    """Call a function with the values that the words of a command line have, or print its page of help.

    Ends the process after a page. Raises ``ValueError`` as ``arguments.read``.
    """
    words = checked(function, arguments, command).words
    try:
        tyro.cli(function, args=words, prog=f"taskscape {command}", registry=registry(), add_help=False)
    except RefusedError as refused:
        raise ValueError(str(refused)) from refused


def checked(function: Callable[..., None], arguments: Sequence[str], command: str) -> Arguments:
    """Return the words of a command line after a check, or print a page of help and end the process."""
    takes = signature(function)
    if any(word in HELP for word in arguments):
        print("\n".join(page(takes, command)))
        raise SystemExit(0)
    try:
        return read(arguments, takes.settings, takes.places)
    except ValueError as error:
        raise ValueError(f"{error} (taskscape {command} --help lists everything)") from None


def signature(function: Callable[..., None]) -> Signature:
    """Return what a function takes, from its parameters and its docstring."""
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
    """Return a dataclass's defaults, with a mark where it has none."""
    required = [one.name for one in fields(cls) if one.default is one.default_factory is MISSING and one.init]
    return cls(**dict.fromkeys(required, tyro.MISSING))


# -- pages -------------------------------------------------------------------------------------------------------------


def page(takes: Signature, command: str) -> Iterator[str]:
    """Return the page of help of a command."""
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
        yield from ["", *wrapped("A value that is written out is the default.")]
    yield from switches(takes.settings)


def _flag(one: Setting, takes: Signature) -> str:
    """Return a flag with its default value, or with what it wants."""
    if one.value in EMPTY or one.value is tyro.MISSING:
        return f"--{one.flag} {takes.named.get(one.path) or expected(one.kind, short=True)}"
    return assignment(one)
