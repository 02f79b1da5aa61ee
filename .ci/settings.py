"""Writes src/taskscape/commands/settings.json: what the command line knows of settings, recipes, networks and readers.

python .ci/settings.py

To run after a change of a recipe, or of a field, type, default, range or docstring of settings. The command line reads
this file instead of importing torch, and makes of it what ``taskscape.commands.described`` says.
"""

import argparse
import inspect
import json
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from taskscape import recipes as own
from taskscape.commands.choices import set_apart
from taskscape.commands.described import FILE, SCALARS
from taskscape.commands.models import cost
from taskscape.commands.settings import kinds_of, plain, summary, texts, words_of
from taskscape.data.readers import READERS
from taskscape.models import CONFIGS
from taskscape.recipes.sweeps import SWEEPS
from taskscape.serialization import is_offered, offered
from taskscape.serialization.ranges import Range


def main() -> None:
    """Write the file."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    FILE.write_text(json.dumps(settings() | {"models": models()}, indent=1, ensure_ascii=False) + "\n", "utf-8")


def settings() -> dict[str, Any]:
    """Return what the file should hold of the recipes, and of all classes that may stand in them."""
    classes: dict[str, Any] = {}
    offers: dict[str, Any] = {}
    found = {name: own.find(name) for name in own.names()}
    experiments = {name: recipe() for name, recipe in found.items()}
    for kind in (*map(type, experiments.values()), *READERS):
        _describe(kind, classes, offers)
    return {
        "recipes": {name: _plain(experiment) for name, experiment in experiments.items()},
        "texts": {name: inspect.getdoc(recipe) for name, recipe in found.items()},
        "groups": {name: inspect.getdoc(module) for name, module in own.groups().items()},
        "sweeps": SWEEPS,
        "offers": dict(sorted(offers.items())),
        "classes": dict(sorted(classes.items())),
        "readers": {one.name: {"class": _key(one), "text": (one.__doc__ or "").partition("\n")[0]} for one in READERS},
    }


def models() -> dict[str, Any]:
    """Return what the file should hold of the networks: text, paper, and parameters and FLOPs with default settings."""
    found = {}
    for name, config in CONFIGS.items():
        parameters, flops = cost(config, own.EXAMPLE_CHANNELS, {})
        found[name] = {
            "parameters": parameters,
            "flops": flops,
            "text": summary(config),
            "paper": plain(config.paper),
        }
    return found


def _describe(kind: Any, classes: dict[str, Any], offers: dict[str, Any]) -> None:
    """Add the description of every class in a type."""
    if words_of(kind):
        return
    if is_offered(kind):
        if _key(kind) not in offers:
            offers[_key(kind)] = [_key(cls) for cls in offered(kind).values()]
            for cls in offered(kind).values():
                _describe(cls, classes, offers)
    elif isinstance(kind, type) and is_dataclass(kind):
        if _key(kind) not in classes:
            name = getattr(kind, "name", None)
            entry = classes[_key(kind)] = {"name": name if isinstance(name, str) else None, "text": summary(kind)}
            entry["fields"] = {one.name: _described_field(kind, one) for one in fields(kind)}
            for inside in kinds_of(kind).values():
                _describe(inside, classes, offers)
    else:
        for argument in get_args(kind) if get_origin(kind) is not Literal else ():
            _describe(argument, classes, offers)


def _key(cls: type) -> str:
    """Return what the file calls a class: a loss and a schedule may have one name."""
    return f"{cls.__module__}.{cls.__qualname__}".removeprefix("taskscape.")


def _described_field(cls: type, one: Any) -> dict[str, Any]:
    kind = kinds_of(cls)[one.name]
    entry: dict[str, Any] = {"type": _written(kind), "text": texts(cls).get(one.name, "")}
    if not one.init:
        entry["init"] = False
    default = one.default if one.default_factory is MISSING else one.default_factory()
    return entry if default is MISSING else entry | {"default": _plain(default, kind)}


def _written(kind: Any) -> Any:
    if words := words_of(kind):
        return ["words", *(get_args(kind) if get_origin(kind) is Literal else words)]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        ranges = [one for one in arguments[1:] if isinstance(one, Range)]
        if not ranges:
            return _written(arguments[0])
        allowed = ranges[0]
        return ["range", _written(arguments[0]), allowed.least, allowed.above, allowed.most, allowed.below]
    if origin is None:
        scalars = {cls: name for name, cls in SCALARS.items()} | {NoneType: "none"}
        return scalars.get(kind) or _key(kind)
    head = "union" if origin in (Union, UnionType) else "tuple" if origin is tuple else "mapping"
    return [head, *("..." if one is ... else _written(one) for one in arguments)]


def _plain(value: Any, kind: Any = None) -> Any:
    if kind is not None and words_of(kind) and get_origin(kind) is Annotated:
        return next(one for one in kind.__metadata__ if hasattr(one, "str_from_instance")).str_from_instance(value)[0]
    if is_dataclass(value):
        changed = {name: _plain(one, kind) for name, (one, kind) in set_apart(value)}
        return {"class": _key(type(value)), "fields": changed}
    if isinstance(value, Mapping):
        return {"entries": {key: _plain(one) for key, one in value.items()}}
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if isinstance(value, Path):
        return {"path": value.as_posix()}
    assert value is None or isinstance(value, bool | int | float | str), value
    return value


if __name__ == "__main__":
    main()
