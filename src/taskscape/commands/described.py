"""Stand-ins for the package's dataclasses of settings, available without importing torch.

Importing the networks takes seconds, which nobody should wait for to read the help or to learn of a mistyped flag.
``settings.json`` describes every class of settings and every recipe; ``.ci/settings.py`` writes it from the classes
themselves, and a test checks that it is up to date. This module builds dataclasses from it with the same names, fields,
types, ranges and defaults. The other modules of this package create flags, help pages and hints from them as from the
real classes. Training itself uses the real classes.
"""

import json
from collections.abc import Mapping
from dataclasses import field, make_dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Union

from taskscape.serialization import offer
from taskscape.serialization.ranges import Range, RangedSettings

FILE = Path(__file__).with_name("settings.json")

_NAMESPACE = {"__module__": "taskscape stand-ins"}
"""A module name that does not exist, so that nothing looks for the source of a stand-in."""

SCALARS: dict[str, Any] = {"int": int, "float": float, "bool": bool, "str": str, "path": Path, "none": None}
"""Types by their names in the file."""


@cache
def described() -> dict[str, Any]:
    """Return the content of ``settings.json``."""
    content: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
    return content


def experiment(recipe: str) -> Any:
    """Return the experiment of one of the package's recipes, built from stand-ins."""
    return _value(described()["recipes"][recipe])


def reader(name: str) -> type:
    """Return the stand-in of the package's reader of raw data with this name."""
    return _class(described()["readers"][name]["class"])


@cache
def _class(name: str) -> type:
    """Return the stand-in of a class."""
    content = described()
    if name in content["offers"]:
        offer(_base(name), map(_class, content["offers"][name]))
        return _base(name)
    entry = content["classes"][name]
    bases = [_base(base) for base, offered in content["offers"].items() if name in offered]
    return make_dataclass(
        name.rpartition(".")[2],
        [(key, _kind(field_entry["type"]), _field(field_entry)) for key, field_entry in entry["fields"].items()],
        bases=tuple(bases) or (RangedSettings,),
        namespace={**_NAMESPACE, "__doc__": entry["text"], "name": entry["name"]},
        frozen=True,
        repr=False,
    )


@cache
def _base(name: str) -> type:
    """Return the stand-in of an abstract base."""
    return type(name.rpartition(".")[2], (RangedSettings,), dict(_NAMESPACE))


def _field(entry: Mapping[str, Any]) -> Any:
    options = {"metadata": {"text": entry["text"]}, "init": entry.get("init", True)}
    if "default" not in entry:
        return field(**options)
    return field(default_factory=lambda: _value(entry["default"]), **options)


def _kind(written: Any) -> Any:
    """Return a type from its written form."""
    if isinstance(written, str):
        return SCALARS[written] if written in SCALARS else _class(written)
    head, *parts = written
    if head == "range":
        return Annotated[SCALARS[parts[0]], Range(*parts[1:])]
    if head == "words":
        return Literal[tuple(parts)]
    kinds = [... if part == "..." else _kind(part) for part in parts]
    if head == "tuple":
        return tuple[tuple(kinds)]  # type: ignore[misc]
    return Mapping[kinds[0], kinds[1]] if head == "mapping" else Union[tuple(kinds)]  # type: ignore[valid-type]  # noqa: UP007


def _value(written: Any) -> Any:
    """Return a value from its written form."""
    if isinstance(written, list):
        return tuple(_value(item) for item in written)
    if not isinstance(written, dict):
        return written
    if "path" in written:
        return Path(written["path"])
    if "class" in written:
        return _class(written["class"])(**{key: _value(item) for key, item in written["fields"].items()})
    return {key: _value(item) for key, item in written["entries"].items()}
