"""The arguments of ``taskscape sweep``, divided into the sweep's own flags, varied settings and common settings."""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import fields
from itertools import zip_longest
from typing import Any, NamedTuple

from taskscape.commands.choices import chosen, underscored
from taskscape.commands.kinds import arity, is_switch
from taskscape.commands.settings import Setting, by_flag, nodes
from taskscape.commands.sweep_flags import AXIS, OWN
from taskscape.serialization import is_size, members
from taskscape.sweeps.axes import SEED, Axis, Point, Range, Values


class Words(NamedTuple):
    """A command line, divided into common and varied settings."""

    common: list[str]
    """The arguments of every run."""
    axes: list[Axis]


def parts(arguments: Sequence[str], names: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield each flag, without its dashes, with its values; for a choice, yield its path with a colon, and its name.

    ``names`` are the fields of an experiment, one of which starts the path of a choice.
    """
    flag: str | None = None
    words: list[str] = []
    for argument in arguments:
        several_settings = flag == AXIS and re.search(r" (--\w|\w[\w.-]*:\S)", argument)
        is_flag = argument.startswith("--") and " " not in argument.partition("=")[0] and not several_settings
        choice = re.fullmatch(r"(\w[\w.-]*):(\S+)", argument)
        is_choice = choice is not None and underscored(choice[1].partition(".")[0]) in names
        if not is_flag and not is_choice:
            if flag is None:
                raise ValueError(f"{argument!r} follows no flag; only a single recipe comes first, before all flags")
            words.append(argument)
            continue
        if flag is not None:
            yield flag, words
        flag, words = None, []
        if is_flag:
            name, equals, value = argument[2:].partition("=")
            flag, words = name.replace("_", "-"), [value] if equals else []
        elif choice is not None:
            yield f"{choice[1]}:", [choice[2]]
    if flag is not None:
        yield flag, words


def _as_arguments(flag: str, words: Sequence[str]) -> list[str]:
    """Return a part in its form on the command line."""
    return [flag + words[0]] if flag.endswith(":") else [f"--{flag}", *words]


def own_and_others(arguments: Sequence[str], names: Sequence[str]) -> tuple[dict[str, list[str]], list[str]]:
    """Return the sweep's own flags with their values, and all other arguments.

    Raises ``ValueError`` if one of the sweep's own flags has the wrong number of values.
    """
    own_flags: dict[str, list[str]] = {}
    others: list[str] = []
    axes = 0
    for flag, words in parts(arguments, names):
        if flag not in OWN:
            others += _as_arguments(flag, words)
            continue
        num_values = OWN[flag]
        if (num_values is not None and len(words) != num_values) or (num_values is None and not words):
            expected = {0: "no value", 1: "one value", None: "one value or more"}[num_values]
            raise ValueError(f"--{flag} takes {expected}, not {' '.join(words) or 'none'}")
        if flag == AXIS:
            axes += 1
            own_flags[f"{AXIS} {axes}"] = words
        elif flag in own_flags:
            raise ValueError(f"--{flag} is given twice: leave one out")
        else:
            own_flags[flag] = words
    return own_flags, others


def not_replaced(published: Sequence[str], further: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return the arguments of a published sweep that ``further`` does not override.

    An ``--axis`` of several settings is dropped as a whole if one of them is overridden.
    """
    overridden = _paths_set_by(further, names)
    remaining: list[str] = []
    for flag, words in parts(published, names):
        argument = _as_arguments(flag, words)
        if not overridden & _paths_set_by(argument, names):
            remaining += argument
    return remaining


def _paths_set_by(arguments: Sequence[str], names: Sequence[str]) -> set[str]:
    """Return the paths of the settings and choices that arguments set, including those in ``--axis``."""
    paths: set[str] = set()
    for flag, words in parts(arguments, names):
        nested = [_paths_set_by(shlex.split(word), names) for word in words] if flag == AXIS else []
        paths |= set().union(*nested) if nested else {underscored(flag)}
    return paths


def take_apart(default: Any, own_flags: dict[str, list[str]], others: Sequence[str], *, search: bool) -> Words:
    """Divide arguments into varied and common settings; ``default`` is the recipe's experiment, or a stand-in.

    Raises ``ValueError`` for an unknown choice, and for values or axes that occur twice.
    """
    flags, choices = _flags_and_choices(others, [f.name for f in fields(default)])
    common = [f"{path}:{values[0]}" for path, values in choices.items() if len(values) == 1]
    axes: list[Axis] = [
        _values(path, [Point(value, (f"{path}:{value}",)) for value in values])
        for path, values in choices.items()
        if len(values) > 1
    ]
    settings = _settings(default, choices)
    for flag, words in flags.items():
        axis = _axis(flag, words, settings.get(flag), search=search)
        if axis is None:
            common += [f"--{flag}", *words]
        else:
            axes.append(axis)
    axes += [
        _together(words, [f.name for f in fields(default)])
        for name, words in own_flags.items()
        if name.startswith(AXIS)
    ]
    if seeds := own_flags.get("seeds"):
        if "seed" in flags:
            raise ValueError("--seed and --seeds exclude each other: leave out --seed")
        axes.append(_values(SEED, [Point(seed, ("--seed", seed)) for seed in seeds]))
    names = [axis.name for axis in axes]
    if repeated := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"{repeated} varies twice: leave out one of its axes")
    return Words(common, axes)


def _flags_and_choices(
    arguments: Sequence[str], names: Sequence[str]
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Return the values of each flag, and the classes chosen for each path.

    Raises ``ValueError`` for a flag that is given twice.
    """
    flags: dict[str, list[str]] = {}
    choices: dict[str, list[str]] = {}
    for flag, words in parts(arguments, names):
        if flag.endswith(":"):
            choices.setdefault(flag.removesuffix(":"), []).extend(words)
        elif flag in flags:
            values = " ".join(dict.fromkeys([*flags[flag], *words]))
            raise ValueError(f"--{flag} is given twice: give it once with all values, --{flag} {values}".rstrip())
        else:
            flags[flag] = words
    return flags, choices


def _settings(default: Any, choices: dict[str, list[str]]) -> dict[str, Setting]:
    """Return the settings of all chosen classes by flag."""
    single_choices = [(path, values[0]) for path, values in choices.items() if len(values) == 1]
    settings = by_flag(nodes(chosen(default, single_choices)))
    for path, values in choices.items():
        for value in values if len(values) > 1 else ():
            settings = by_flag(nodes(chosen(default, [*single_choices, (path, value)]))) | settings
    return settings


def _axis(flag: str, words: list[str], setting: Setting | None, *, search: bool) -> Axis | None:
    """Return the axis of a flag, or None if it has a single value."""
    if setting is None or not words:
        return None
    name = setting.path
    if is_switch(setting.kind):
        off_flag = next(candidate for candidate in setting.flags if candidate != setting.flag)
        states = {"on": (f"--{setting.flag}",), "off": (f"--{off_flag}",)}
        if set(words) - set(states):
            raise ValueError(f"--{flag} is a switch: without a value it is on; in a sweep its values are on and off")
        return _values(name, [Point(word, states[word]) for word in words])
    if len(words) == 1 and (match := re.fullmatch(r"(.+)\.\.(.+)", words[0])):
        return _range(name, flag, setting, match[1], match[2], search=search)
    if arity(setting.kind)[1] != 1:  # a single value consists of several words
        if not any("," in word for word in words):
            return None
        return _values(name, [Point(word, (f"--{flag}", *re.split("[,=]", word))) for word in words])
    if is_size(setting.kind) and len(words) == 2 and all(word.isdecimal() for word in words):
        return None  # a height and a width
    return _values(name, [Point(word, (f"--{flag}", word)) for word in words]) if len(words) > 1 else None


def _range(name: str, flag: str, setting: Setting, low: str, high: str, *, search: bool) -> Range | None:
    kinds = set(members(setting.kind))
    if not kinds & {int, float}:
        return None
    if not search:
        raise ValueError(f"--{flag} {low}..{high}: a range is for a search (--search N); give a grid single values")
    try:
        ends = float(low), float(high)
    except ValueError:
        raise ValueError(f"--{flag}: {low}..{high} is not a range of numbers, such as 1e-5..1e-2") from None
    whole = float not in kinds
    if whole and not all(end.is_integer() for end in ends):
        raise ValueError(f"--{flag}: {low}..{high} is not a range of whole numbers, such as 4..16")
    return Range(name, f"--{flag}", *ends, whole)


def continues(arguments: Sequence[str], earlier: Sequence[str], names: Sequence[str]) -> bool:
    """Return whether arguments define the same sweep as ``earlier``, possibly with more seeds or a longer search."""
    missing: tuple[str, list[str]] = "", []
    pairs = zip_longest(parts(arguments, names), parts(earlier, names), fillvalue=missing)
    return all(
        flag == earlier_flag and (words == earlier_words or _is_extension(flag, words, earlier_words))
        for (flag, words), (earlier_flag, earlier_words) in pairs
    )


def _is_extension(flag: str, words: Sequence[str], earlier: Sequence[str]) -> bool:
    return (flag == "seeds" and set(words) >= set(earlier)) or (flag == "search" and int(words[0]) >= int(earlier[0]))


def _values(name: str, points: Sequence[Point]) -> Values:
    labels = [point.label for point in points]
    if repeated := next((label for label in labels if labels.count(label) > 1), None):
        raise ValueError(f"{name}: the value {repeated} is given twice; leave one out")
    return Values(name, points)


def _together(words: Sequence[str], names: Sequence[str]) -> Values:
    """Return the axis of settings that vary together, called like the first flag, or like the path of a choice.

    An axis called seed is one of repetitions, so settings that vary together with the seed give it their name.
    """
    settings = [list(parts(shlex.split(word), names)) for word in words]
    paths = [underscored(flag.removesuffix(":")) for setting in settings for flag, _ in setting]
    name = next((path for path in paths if path != SEED), SEED)
    arguments = [[argument for part in setting for argument in _as_arguments(*part)] for setting in settings]
    return _values(name, [Point(_label(point), tuple(point)) for point in arguments])


def _label(arguments: Sequence[str]) -> str:
    """Return the label of settings that vary together: their values."""
    return " ".join(part.rpartition(":")[2] for part in arguments if not part.startswith("--"))
