"""The settings in which groups of runs differ."""

from collections.abc import Mapping, Sequence
from typing import Any

from taskscape.report.groups import Group
from taskscape.report.words import MISSING
from taskscape.run_folder.settings import WITHOUT_EFFECT
from taskscape.serialization.flat import flatten


def differences(groups: Sequence[Group]) -> dict[str, list[str]]:
    """Return the settings in which groups differ, except the seed: one value per group, by dotted name."""
    flat_settings = [flatten(g.runs[0].settings) for g in groups]
    names = dict.fromkeys(
        name for settings in flat_settings for name in settings if name not in ("seed", *WITHOUT_EFFECT)
    )
    table = {name: [settings.get(name, MISSING) for settings in flat_settings] for name in names}
    # If one experiment has null and another has nested settings, the nested settings show the difference.
    parents = {parent for name in names for parent in _parents(name)}
    different = {name: values for name, values in table.items() if len(set(values)) > 1 and name not in parents}
    return {
        name: values
        for name, values in different.items()
        if not (_follows_from_type(name, values, different) or _follows_from_classes(name, different))
    }


def is_new(name: str, values: Sequence[str], groups: Sequence[Group]) -> bool:
    """Return whether some experiments lack a setting because an earlier version, which did not have it, wrote them.

    Such a setting is at the top level, or in a section that has no type or the same type in all experiments.
    """
    section, dot, _ = name.rpartition(".")
    if MISSING not in values or "." in section:
        return False
    sections: list[Any] = [g.runs[0].settings.get(section) if dot else {} for g in groups]
    types = {settings.get("type") if isinstance(settings, dict) else MISSING for settings in sections}
    return len(types) == 1 and MISSING not in types


def _follows_from_classes(name: str, table: Mapping[str, Sequence[str]]) -> bool:
    """Return whether a setting is the list of names or colors of a class set with a differing name."""
    parent, _, last = name.rpartition(".")
    return parent.endswith(".classes") and last in ("classes", "palette") and f"{parent}.name" in table


def _parents(name: str) -> list[str]:
    """Return the dotted names of all parents: ``a`` and ``a.b`` for ``a.b.c``."""
    return [name[:i] for i, letter in enumerate(name) if letter == "."]


def _follows_from_type(name: str, values: Sequence[str], table: Mapping[str, Sequence[str]]) -> bool:
    """Return whether a setting differs only because its parent, such as a task, is missing in some experiments."""
    if len(set(values) - {MISSING}) > 1:
        return False
    missing = [value == MISSING for value in values]
    types = [f"{parent}.type" for parent in _parents(name)]
    return any(
        type_ in table and type_ != name and [value == MISSING for value in table[type_]] == missing for type_ in types
    )
