"""Types of settings on the command line: number of arguments, valid values, and descriptions for messages."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from tyro.conf import UseAppendAction

from taskscape.commands.settings import words_of
from taskscape.serialization import bare, is_size, members, read_size
from taskscape.serialization.ranges import missed_range

_WORDS = {int: "a whole number", float: "a number", str: "text", Path: "a path", bool: "True or False"}
_SEVERAL = {int: "whole numbers", float: "numbers", str: "words", Path: "paths"}
_SHORT = {int: "N", float: "X", str: "WORD", Path: "PATH", bool: "True"}
_SIZE, _NUMBERS = "HxW", "NAME NUMBER ..."


def is_switch(kind: Any) -> bool:
    """Return whether a setting is a switch, whose flag takes no value."""
    return bare(kind) is bool


def is_repeated(kind: Any) -> bool:
    """Return whether a flag may be repeated, each time with one element of the tuple."""
    return UseAppendAction in getattr(kind, "__metadata__", ())


def metavar(kind: Any) -> str:
    """Return the metavariable that the type of a setting defines for the help, or ""."""
    notes = getattr(kind, "__metadata__", ())
    return next((str(note.metavar) for note in notes if getattr(note, "metavar", None)), "")


def is_numbers(kind: Any) -> bool:
    """Return whether a type maps names to numbers, as for weights of tasks."""
    origin, arguments = get_origin(bare(kind)), get_args(bare(kind))
    return (
        isinstance(origin, type)
        and issubclass(origin, Mapping)
        and [bare(argument) for argument in arguments] == [str, float]
    )


def arity(kind: Any) -> tuple[int, int | None]:
    """Return the minimum and maximum number of words that a flag takes; a maximum of None means any number."""
    if words_of(kind) or is_size(kind) or is_repeated(kind):
        return 1, 1
    bounds = [_arity(member) for member in members(kind)]
    highs = [high for _, high in bounds]
    return min(low for low, _ in bounds), None if None in highs else max(high for high in highs if high is not None)


def _arity(kind: Any) -> tuple[int, int | None]:
    if is_numbers(kind):
        return 0, None
    if get_origin(kind) is tuple:
        parts = get_args(kind)
        return (0, None) if Ellipsis in parts else (len(parts), len(parts))
    return 1, 1


def fits(kind: Any, words: Sequence[str]) -> bool:
    """Return whether words can be parsed as a value of a type. Further conditions are checked by the settings class."""
    if (allowed := words_of(kind)) is not None:
        return words[0] in allowed
    if is_size(kind):
        return words[0].lower() == "none" or _can_read(read_size, words[0])
    if is_repeated(kind):
        return True
    return any(_fits(member, words) for member in members(kind))


def _fits(kind: Any, words: Sequence[str]) -> bool:
    if is_numbers(kind):
        return len(words) % 2 == 0 and all(_can_read(float, word) for word in words[1::2])
    if get_origin(kind) is tuple:
        parts = get_args(kind)
        kinds = [parts[0]] * len(words) if Ellipsis in parts else parts
        return len(kinds) == len(words) and all(fits(part, [word]) for part, word in zip(kinds, words, strict=True))
    if len(words) != 1:
        return False
    word = words[0]
    if get_origin(kind) is Literal:
        return word in map(str, get_args(kind))
    if kind is NoneType:
        return word.lower() == "none"
    if kind is bool:
        return word.lower() in ("true", "false")
    return _can_read(kind, word) if kind in (int, float) else kind is not Path or bool(word)


def missed(kind: Any, words: Sequence[str]) -> str:
    """Return the range that a number among words that fit a type is outside of, as text; "" if there is none."""
    numbers = [float(word) for word in words if _can_read(float, word)]
    if is_numbers(kind):
        return missed_range(dict(enumerate(numbers)), kind)
    return missed_range(tuple(numbers), kind) or (missed_range(numbers[0], kind) if len(numbers) == 1 else "")


def _can_read(read: Any, word: str) -> bool:
    try:
        read(word)
    except ValueError:
        return False
    return True


def known_words(kind: Any) -> list[str]:
    """Return the fixed words that a type allows, including those in tuples and in unions with other types."""
    kinds = [part for item in members(kind) for part in (get_args(item) if get_origin(item) is tuple else (item,))]
    literals = [item for item in kinds if get_origin(item) is Literal]
    return words_of(kind) or [str(word) for literal in literals for word in get_args(literal)]


def spelled(kind: Any, word: str) -> str:
    """Return a word in the form that tyro parses: ``None``, ``True`` and ``False`` are capitalized."""
    kinds, known = members(kind), known_words(kind)
    capital = {"none": NoneType, "true": bool, "false": bool}.get(word.lower())
    return word.capitalize() if capital in kinds and word not in known else word


def expected(kind: Any, *, short: bool = False) -> str:
    """Return a description of a flag's value for an error message, or a short one for the help (``HxW``, ``N N``)."""
    if (allowed := words_of(kind)) is not None:
        return "WORD" if short else f"one of {', '.join(allowed)}"
    if is_size(kind):
        return _SIZE if short else "HEIGHTxWIDTH, such as 128x256"
    if is_repeated(kind):
        return "WORD" if short else "a word"
    kinds = [member for member in members(kind) if member is not NoneType]
    if short:
        return _expected(kinds[0], short=True)
    return " or ".join([*(_expected(member, short=False) for member in kinds), *["none"] * (NoneType in members(kind))])


def _expected(kind: Any, *, short: bool) -> str:
    if is_numbers(kind):
        return _NUMBERS if short else f"{_NUMBERS}, such as semseg 0.6 depth 0.4"
    if get_origin(kind) is Literal:
        return "WORD" if short else ", ".join(map(str, get_args(kind)))
    if get_origin(kind) is tuple:
        parts = get_args(kind)
        if not short and (allowed := words_of(parts[0])) is not None:
            return f"one or more of {', '.join(allowed)}"
        first = bare(parts[0])
        if short:
            shown = [_SHORT.get(bare(part), "WORD") for part in parts if part is not Ellipsis]
            return f"{shown[0]} ..." if Ellipsis in parts else " ".join(shown)
        return _SEVERAL.get(first, "words") if Ellipsis in parts else f"{len(parts)} {_SEVERAL.get(first, 'words')}"
    return _SHORT.get(kind, "VALUE") if short else _WORDS.get(kind, "a value")
