"""Check command-line arguments before tyro parses them, so that each mistake gets a one-line message.

A flag is ``--name VALUE`` or ``--name=VALUE``, a switch is ``--name`` or ``--no-name``, and a place is a positional
argument. A word is one item of the command line.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import takewhile
from pathlib import Path
from typing import Any, get_args

from tyro import MISSING

from taskscape.commands import GENERAL
from taskscape.commands.kinds import arity, expected, fits, is_repeated, is_switch, missed, spelled
from taskscape.commands.settings import Choice, Entries, Node, Setting, by_flag, kinds_of, words_of
from taskscape.serialization import is_size, members, nearest


@dataclass(frozen=True)
class Place:
    """A positional argument, such as the folder of a run."""

    name: str
    """Its name in the help, such as RUN."""
    kind: Any
    text: str
    optional: bool = False
    many: bool = False
    """Whether it takes all remaining positional arguments."""


@dataclass(frozen=True)
class Arguments:
    """A command line that passed the checks."""

    flags: Mapping[str, Sequence[str]]
    """The values of each flag, by its name without the leading dashes."""
    places: Sequence[str]
    words: Sequence[str]
    """The whole command line in the form that tyro parses."""


def read(
    arguments: Sequence[str], tree: Iterable[Node], places: Sequence[Place] = (), also: Iterable[str] = ()
) -> Arguments:
    """Check a command line against the settings and positional arguments of its command.

    ``also`` has further flags, without their dashes, that were parsed before but may be suggested for a mistyped one.
    Raises ``ValueError`` for an unknown flag, with the nearest names; for a flag given twice or with invalid values;
    for a superfluous positional argument; and for a missing flag or positional argument.
    """
    tree = list(tree)
    settings = by_flag(tree)
    flags: dict[str, list[str]] = {}
    positionals: list[str] = []
    flag_words: list[str] = []
    remaining = list(arguments)
    setting: Setting | None = None
    while remaining:
        word = remaining.pop(0)
        if not _is_flag(word):
            _check_place(word, len(positionals), places, setting, tree)
            positionals.append(word)
            continue
        name, attached = _parse_flag(word, settings, tree, places, also)
        setting = settings[name]
        following = [attached] if attached is not None else list(takewhile(lambda item: not _is_flag(item), remaining))
        if is_switch(setting.kind):
            name, count = _parse_switch(name, setting, following, attached=attached is not None)
            words: list[str] = []
        else:
            words, count = _flag_values(name, setting, following)
        if attached is None:
            del remaining[:count]
        if any(flag in flags for flag in setting.flags) and not is_repeated(setting.kind):
            raise ValueError(f"--{name} is given twice: leave one out")
        flags.setdefault(name, []).extend(words)
        flag_words += [f"--{name}={words[0]}"] if len(words) == 1 else [f"--{name}", *words]
    _require_all(tree, flags, places, len(positionals))
    return Arguments(flags, positionals, [*positionals, *flag_words])


def flags_and_values(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield each flag among the arguments, without its leading dashes, and its value, or "" if it has none."""
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=False):
        name, equals, value = argument.partition("=")
        if name.startswith("--") and name != "--":
            yield name[2:].replace("_", "-"), value if equals else "" if following.startswith("--") else following


# -- flags and their words ---------------------------------------------------------------------------------------------


def _is_flag(word: str) -> bool:
    """Return whether a word is a flag: dashes followed by a letter, which excludes negative numbers."""
    return word.startswith("-") and word.lstrip("-")[:1].isalpha() and word.lower() not in ("-inf", "-nan")


def _parse_flag(
    word: str, settings: Mapping[str, Setting], tree: Sequence[Node], places: Sequence[Place], also: Iterable[str]
) -> tuple[str, str | None]:
    """Return the name of a flag, and the value attached to it with ``=``, or None."""
    name, equals, value = word.lstrip("-").partition("=")
    name = name.replace("_", "-")
    if not word.startswith("--") or name not in settings:
        shown = word.partition("=")[0]
        hint = (
            _file_hint(word)
            or _place_hint(name, places)
            or _choice_hint(name, tree)
            or _other_classes_hint(name, tree)
            or _similar_hint(name, tree, also)
        )
        raise ValueError(f"there is no flag {shown}{hint}")
    return name, value if equals else None


def _parse_switch(name: str, setting: Setting, following: Sequence[str], *, attached: bool) -> tuple[str, int]:
    """Return the name that a switch resolves to, and how many words it takes: 1 for ``True`` or ``False``, else 0."""
    word = following[0].lower() if following else ""
    if word in ("true", "false"):
        turns_on = (name == setting.flag) == (word == "true")
        return setting.flags[0 if turns_on else 1], 1
    if attached:
        on_flag, off_flag = setting.flags
        raise ValueError(f"--{name}={following[0]}: it is a switch, --{on_flag} turns it on and --{off_flag} off")
    return name, 0


def _flag_values(name: str, setting: Setting, following: Sequence[str]) -> tuple[list[str], int]:
    """Return a flag's values in the form that tyro parses, and how many of the following words they took."""
    least, most = arity(setting.kind)
    words, count = list(following[:most]), None
    if is_size(setting.kind) and len(following) > 1 and all(word.isdecimal() for word in following[:2]):
        words, count = ["x".join(following[:2])], 2
    if len(words) < least:
        shown = " ".join(words) or "without a value"
        raise ValueError(f"--{name} {shown}: give {expected(setting.kind)}")
    if not fits(setting.kind, words):
        if (allowed := words_of(setting.kind)) is not None:
            raise ValueError(f"--{name}: there is no {words[0]!r}{nearest(words[0], allowed)}")
        raise ValueError(f"--{name} {' '.join(words) or 'without a value'}: give {expected(setting.kind)}")
    if range_in_words := missed(setting.kind, words):
        raise ValueError(f"--{name} {' '.join(words)}: it must be {range_in_words}")
    return [spelled(setting.kind, word) for word in words], count or len(words)


def _file_hint(word: str) -> str:
    """Return a hint for the error message if there is a file or folder whose name starts with a dash."""
    return f"; if it is a path, write ./{word}" if os.path.lexists(word) else ""


def _place_hint(name: str, places: Sequence[Place]) -> str:
    """Return a hint for the error message if the flag is the name of a positional argument."""
    return next((f"; {place.name} is given without a flag" for place in places if place.name == name.upper()), "")


def _choice_hint(name: str, tree: Iterable[Node]) -> str:
    """Return a hint for the error message if the flag is the path of a choice, which is written with a colon."""
    for node in tree:
        if name == node.flag and isinstance(node, Choice):
            return f"; did you mean {node.path}:NAME?"
        if name == node.flag and isinstance(node, Entries):
            return f"; did you mean {node.path}.NAME:KIND?"
    return ""


def _other_classes_hint(name: str, tree: Iterable[Node]) -> str:
    """Return a hint for the error message: other classes of a choice that have this flag, unlike the chosen one."""
    for node in tree:
        prefix = node.flag + "."
        if isinstance(node, Choice) and name.startswith(prefix):
            field = name.removeprefix(prefix).replace("-", "_")
            owners = [owner for owner, cls in node.classes.items() if cls is not None and field in kinds_of(cls)]
            if owners:
                more = " and others" if len(owners) > 3 else ""
                return f"; it belongs to {', '.join(f'{node.path}:{owner}' for owner in owners[:3])}{more}"
    return ""


def _similar_hint(name: str, tree: Sequence[Node], also: Iterable[str]) -> str:
    """Return a hint for the error message: the most similar flags and choices, those with the same last part first."""
    forms = {flag: f"--{flag}" for flag in also}
    for node in tree:
        if isinstance(node, Setting):
            forms[node.flag] = f"--{node.flag}"
        elif isinstance(node, Choice) and not name.startswith(f"{node.flag}."):
            forms[node.flag] = f"{node.path}:NAME"
    forms |= {flag.removeprefix("--"): flag for flag in GENERAL}
    prefix, _, last = name.rpartition(".")
    candidates = [flag for flag in forms if flag.rpartition(".")[2] == last]
    if candidates:
        return nearest(name, candidates, forms)
    prefixes = get_close_matches(prefix, [node.flag for node in tree if isinstance(node, Choice)], 1) or [prefix]
    return _other_classes_hint(f"{prefixes[0]}.{last}", tree) or nearest(name, forms, forms)


# -- places ------------------------------------------------------------------------------------------------------------


def _check_place(
    word: str, number: int, places: Sequence[Place], last_setting: Setting | None, tree: Sequence[Node]
) -> None:
    """Raise ``ValueError`` for an invalid or superfluous positional argument."""
    if number < len(places) or (places and places[-1].many):
        place = places[min(number, len(places) - 1)]
        allowed = words_of(place.kind)
        if allowed is not None and word not in allowed:
            raise ValueError(f"there is no {word!r}{nearest(word, allowed)}")
        if not word and _is_path(place.kind):
            raise ValueError(
                f"{place.name} is empty, perhaps because a shell variable is not set{_first_sentence(place.text)}"
            )
        return
    name, equals, value = word.partition("=")
    flag = name.replace("_", "-")
    if flag in by_flag(tree):
        hint = f"; did you mean --{flag} {value}?" if equals else f"; did you mean --{flag}?"
    elif any(isinstance(node, Choice | Entries) and flag == node.flag for node in tree):
        hint = f"; did you mean {name}:{value or 'NAME'}?"
    elif choices := [f"{node.path}:{word}" for node in tree if isinstance(node, Choice) and node.classes.get(word)]:
        hint = f"; did you mean {' or '.join(choices)}?"
    elif last_setting is not None:
        hint = f"; --{last_setting.flag} takes {_value_count(last_setting)}"
    else:
        hint = f"; only {' '.join(place.name for place in places)} can be given without a flag" if places else ""
    raise ValueError(f"{word!r} belongs to no flag{hint}")


def _is_path(kind: Any) -> bool:
    """Return whether a positional argument is a path or several paths."""
    return any(Path in (member, *get_args(member)) for member in members(kind))


def _value_count(setting: Setting) -> str:
    if is_switch(setting.kind):
        return "no value"
    _, most = arity(setting.kind)
    return "one value" if most == 1 else f"{most} values"


def _require_all(tree: Iterable[Node], flags: Mapping[str, Sequence[str]], places: Sequence[Place], count: int) -> None:
    """Raise ``ValueError`` for the first missing positional argument or flag."""
    for number, place in enumerate(places):
        if count <= number and not place.optional:
            raise ValueError(f"{place.name} is missing{_first_sentence(place.text)}")
    for node in tree:
        if isinstance(node, Setting) and node.value is MISSING and not flags.keys() & set(node.flags):
            raise ValueError(f"--{node.flag} {expected(node.kind, short=True)} is missing{_first_sentence(node.text)}")


def _first_sentence(text: str) -> str:
    """Return the first sentence of a help text in the form of an error message's end."""
    sentence = text.partition(". ")[0].rstrip(".")
    return f": {sentence[0].lower()}{sentence[1:]}" if sentence else ""
