"""Settings on help pages: flags and values in the form in which a user would type them."""

from collections.abc import Mapping
from typing import Any

from tyro import MISSING
from tyro.constructors import PrimitiveConstructorSpec

from taskscape.commands.kinds import expected, is_repeated, is_switch, known_words
from taskscape.commands.layout import wrapped
from taskscape.commands.settings import Choice, Entries, Node, Setting
from taskscape.serialization import is_size, show_size


def switches(settings: list[Setting]) -> list[str]:
    """Return lines that explain (on) and (off), if any setting is a switch."""
    switch_settings = [setting for setting in settings if is_switch(setting.kind)]
    if not switch_settings:
        return []
    on, off = switch_settings[0].flags
    return ["", *wrapped(f"Flags with (on) or (off) are switches: --{on} turns one on, --{off} turns it off.")]


def assignment(node: Node) -> str:
    """Return the argument that sets a setting to its present value."""
    if isinstance(node, Choice):
        return f"{node.flag}:{node.chosen}"
    if isinstance(node, Entries):
        return " ".join(f"{node.flag}.{name}" for name in node.value)
    if is_switch(node.kind):
        return f"--{node.flag} ({'on' if node.value else 'off'})"
    return f"--{node.flag} {show(node.value, node.kind)}"


def show(value: Any, kind: Any) -> str:
    """Return a value as written on the command line, or a description of valid values if there is no value."""
    if value is MISSING or (value in ((), {}) and not is_repeated(kind)):
        return expected(kind, short=True)
    for note in getattr(kind, "__metadata__", ()):
        if isinstance(note, PrimitiveConstructorSpec):
            return " ".join(note.str_from_instance(value))
    if is_size(kind):
        return show_size(value)
    if isinstance(value, Mapping):
        return " ".join(f"{key} {_number(item)}" for key, item in value.items())
    if isinstance(value, tuple):
        return " ".join(show(item, None) for item in value)
    return _number(value) if isinstance(value, float) else "none" if value is None else str(value)


def _number(value: float) -> str:
    """Return a number with as few digits as represent it exactly."""
    short = f"{value:g}"
    return short if float(short) == value else repr(value)


def with_words(node: Setting) -> str:
    """Return the text of a setting, with the list of words that it allows."""
    words = known_words(node.kind)
    if not words:
        return node.text
    return f"{node.text} {'One of' if len(words) > 1 else 'Only'} {', '.join(words)}.".strip()
