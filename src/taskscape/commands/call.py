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
    interface = signature(function)
    if any(word in HELP for word in arguments):
        print("\n".join(page(interface, command)))
        raise SystemExit(0)
    try:
        return read(arguments, interface.settings, interface.places)
    except ValueError as error:
        raise ValueError(f"{error} (taskscape {command} --help lists everything)") from None


def signature(function: Callable[..., None]) -> Signature:
    """Return the command-line interface of a function, from its parameters and docstring."""
    text, _, args = (inspect.getdoc(function) or "").partition("\n\nArgs:\n")
    texts = {match[1]: plain(match[2]) for match in re.finditer(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", args, re.MULTILINE)}
    kinds = get_type_hints(function, include_extras=True)
    interface = Signature(text, [], [])
    for name, parameter in inspect.signature(function).parameters.items():
        kind, is_optional = kinds[name], parameter.default is not parameter.empty
        notes = getattr(kind, "__metadata__", ())
        help_text = texts.get(name) or next((str(note.help) for note in notes if getattr(note, "help", None)), "")
        if parameter.kind is parameter.POSITIONAL_ONLY:
            takes_many = get_origin(bare(kind)) is tuple
            interface.places.append(Place(metavar(kind) or name.upper(), kind, help_text, is_optional, takes_many))
        elif is_dataclass(cls := bare(kind)):
            interface.settings.extend(node for node in nodes(_with_defaults(cls)) if isinstance(node, Setting))
        else:
            interface.settings.append(
                Setting(name, kind, parameter.default if is_optional else tyro.MISSING, help_text)
            )
    return interface


def _with_defaults(cls: Any) -> Any:
    """Return an instance of a dataclass with its defaults, where ``MISSING`` marks fields without one."""
    required = [field.name for field in fields(cls) if field.default is field.default_factory is MISSING and field.init]
    return cls(**dict.fromkeys(required, tyro.MISSING))


# -- pages -------------------------------------------------------------------------------------------------------------


def page(interface: Signature, command: str) -> Iterator[str]:
    """Yield the lines of a command's help."""
    required = [_flag(setting) for setting in interface.settings if setting.value is tyro.MISSING]
    optional = [setting for setting in interface.settings if setting.value is not tyro.MISSING]
    places = [f"[{place.name}]" if place.optional else place.name for place in interface.places]
    yield from usage(" ".join(["taskscape", command, *places, *required, *["[--OPTION ...]"] * bool(optional)]))
    for paragraph in interface.text.split("\n\n"):
        yield ""
        yield from wrapped(plain(paragraph))
    if interface.places:
        yield ""
    for place in interface.places:
        yield from line(place.name, place.text)
    if interface.settings:
        yield ""
    for setting in interface.settings:
        yield from line(_flag(setting), with_words(setting))
    if any(setting.value not in EMPTY and not is_switch(setting.kind) for setting in optional):
        yield from ["", *wrapped("The values shown are the defaults.")]
    yield from switches(interface.settings)


def _flag(setting: Setting) -> str:
    """Return a flag with its default value, or else with its metavariable."""
    if setting.value in EMPTY or setting.value is tyro.MISSING:
        return f"--{setting.flag} {metavar(setting.kind) or expected(setting.kind, short=True)}"
    return assignment(setting)
