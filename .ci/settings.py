"""Write src/taskscape/commands/settings.json, which describes settings, recipes, networks and readers.

python .ci/settings.py

Run it after changing a recipe, or a field, type, default, range or docstring of settings. The command line reads this
file instead of importing torch; ``taskscape.commands.described`` builds stand-ins for the classes from it.
"""

import argparse
import inspect
import json
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from taskscape import recipes
from taskscape.commands.choices import changed_fields
from taskscape.commands.described import FILE, SCALARS
from taskscape.commands.models import cost
from taskscape.commands.settings import kinds_of, plain, summary, texts, words_of
from taskscape.data.readers import READERS
from taskscape.files import atomic_write
from taskscape.models import CONFIGS
from taskscape.recipes.sweeps import SWEEPS
from taskscape.serialization import is_offered, offered
from taskscape.serialization.ranges import Range


def main() -> None:
    """Write the file."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    atomic_write(FILE, json.dumps(settings() | {"models": models()}, indent=1, ensure_ascii=False) + "\n")


def settings() -> dict[str, Any]:
    """Return the content of the file for recipes and readers, and for all classes that can be used in them."""
    classes: dict[str, Any] = {}
    offers: dict[str, Any] = {}
    functions = {name: recipes.find(name) for name in recipes.names()}
    experiments = {name: recipe() for name, recipe in functions.items()}
    for cls in (*map(type, experiments.values()), *READERS):
        _describe(cls, classes, offers)
    return {
        "recipes": {name: _value_entry(experiment) for name, experiment in experiments.items()},
        "texts": {name: inspect.getdoc(recipe) for name, recipe in functions.items()},
        "groups": {name: inspect.getdoc(module) for name, module in recipes.groups().items()},
        "sweeps": SWEEPS,
        "offers": dict(sorted(offers.items())),
        "classes": dict(sorted(classes.items())),
        "readers": {
            reader.name: {"class": _key(reader), "text": (reader.__doc__ or "").partition("\n")[0]}
            for reader in READERS
        },
    }


def models() -> dict[str, Any]:
    """Return the content of the file for networks: text, paper, and parameters and FLOPs with default settings."""
    entries = {}
    for name, config in CONFIGS.items():
        parameters, flops = cost(config, recipes.EXAMPLE_CHANNELS, {})
        entries[name] = {
            "parameters": parameters,
            "flops": flops,
            "text": summary(config),
            "paper": plain(config.paper),
        }
    return entries


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
            entry["fields"] = {field.name: _field_entry(kind, field) for field in fields(kind)}
            for field_kind in kinds_of(kind).values():
                _describe(field_kind, classes, offers)
    else:
        for argument in get_args(kind) if get_origin(kind) is not Literal else ():
            _describe(argument, classes, offers)


def _key(cls: type) -> str:
    """Return the name of a class in the file, with its module, since a loss and a schedule can have the same name."""
    return f"{cls.__module__}.{cls.__qualname__}".removeprefix("taskscape.")


def _field_entry(cls: type, field: Any) -> dict[str, Any]:
    kind = kinds_of(cls)[field.name]
    entry: dict[str, Any] = {"type": _type_entry(kind), "text": texts(cls).get(field.name, "")}
    if not field.init:
        entry["init"] = False
    default = field.default if field.default_factory is MISSING else field.default_factory()
    return entry if default is MISSING else entry | {"default": _value_entry(default, kind)}


def _type_entry(kind: Any) -> Any:
    if words := words_of(kind):
        return ["words", *(get_args(kind) if get_origin(kind) is Literal else words)]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        ranges = [item for item in arguments[1:] if isinstance(item, Range)]
        if not ranges:
            return _type_entry(arguments[0])
        allowed = ranges[0]
        return ["range", _type_entry(arguments[0]), allowed.least, allowed.above, allowed.most, allowed.below]
    if origin is None:
        scalars = {cls: name for name, cls in SCALARS.items()} | {NoneType: "none"}
        return scalars.get(kind) or _key(kind)
    head = "union" if origin in (Union, UnionType) else "tuple" if origin is tuple else "mapping"
    return [head, *("..." if item is ... else _type_entry(item) for item in arguments)]


def _value_entry(value: Any, kind: Any = None) -> Any:
    if kind is not None and words_of(kind) and get_origin(kind) is Annotated:
        return next(x for x in kind.__metadata__ if hasattr(x, "str_from_instance")).str_from_instance(value)[0]
    if is_dataclass(value):
        changed = {name: _value_entry(item, kind) for name, (item, kind) in changed_fields(value)}
        return {"class": _key(type(value)), "fields": changed}
    if isinstance(value, Mapping):
        return {"entries": {key: _value_entry(item) for key, item in value.items()}}
    if isinstance(value, tuple):
        return [_value_entry(item) for item in value]
    if isinstance(value, Path):
        return {"path": value.as_posix()}
    assert value is None or isinstance(value, bool | int | float | str), value
    return value


if __name__ == "__main__":
    main()
