"""``taskscape recipes``."""

import re
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from taskscape.commands.choices import chosen
from taskscape.commands.described import described, experiment
from taskscape.commands.layout import filled, names, table
from taskscape.commands.published import published_sweeps
from taskscape.imports import quick_imports
from taskscape.serialization import load_name, nearest

if TYPE_CHECKING:
    from taskscape.runs import Experiment


class Listed(NamedTuple):
    """An entry in the list of recipes."""

    text: str
    """The first line of the recipe's docstring."""
    published: str
    """The published results that its docstring states."""


def recipes(group: str = "", /) -> None:
    """List the recipes: complete experiments to train, or to use as a starting point.

    Args:
        group: A group of published experiments, such as ladder, or a single recipe, such as ladder/rung3, to describe
            in full; by default all groups are listed.
    """
    if (recipe := group.replace("-", "_")) in summaries():
        print("\n\n".join(map(filled, _full_description(recipe))))
        return
    if group and group not in (known := [name for name in by_group() if name]):
        known += summaries()
        raise ValueError(
            f"there is no group of recipes {group!r}{nearest(group, known) or '; taskscape recipes lists them'}"
        )
    for name, listed in by_group().items():
        if group in ("", name):
            print_group(name, listed)
    print()
    print(
        filled(
            "Train a recipe with taskscape train RECIPE, the recipe joint with another network with taskscape train "
            "NETWORK (taskscape models lists the networks), or a recipe of your own with taskscape train "
            "my.py:function. With --scale small a published experiment takes minutes on two cores."
        )
    )


def print_group(group: str, listed: Mapping[str, Listed]) -> None:
    """Print the recipes of a group: name, description and published results."""
    if group:
        print(f"\n{group}:")
    if any(entry.published for entry in listed.values()):
        rows = ((name, entry.text, entry.published if entry.published != "-" else "") for name, entry in listed.items())
        print("\n".join(table(("", "", "published"), rows)))
    else:
        print_list({name: entry.text for name, entry in listed.items()})
    if sweeps := {name: entry.text for name, entry in published_sweeps().items() if name.partition("/")[0] == group}:
        print(f"\n{group}, with taskscape sweep NAME:")
        print_list(sweeps)


def _full_description(recipe: str) -> list[str]:
    """Return the full description of a recipe and of its group, in paragraphs."""
    texts = [f"{recipe}: {described()['texts'][recipe]}"]
    if group := recipe.rpartition("/")[0]:
        texts.append(f"All of {group}: {described()['groups'][group]}")
    return [text.replace("``", "").replace("\nSource: ", "\n\nSource: ") for text in texts]


def print_list(texts: Mapping[str, str]) -> None:
    """Print names and their texts in two columns."""
    print("\n".join(names(texts)))


def summaries() -> dict[str, str]:
    """Return the summaries of all recipes by name."""
    return {name: entry.text for listed in by_group().values() for name, entry in listed.items()}


@cache
def by_group() -> dict[str, dict[str, Listed]]:
    """Return the entries of recipes by group and name. The group of general recipes has an empty name."""
    groups: dict[str, dict[str, Listed]] = {}
    for name, text in described()["texts"].items():
        published = re.search(r"^Published: (.*)$", text, re.MULTILINE)
        entry = Listed(text.partition("\n")[0].replace("``", ""), published[1] if published else "")
        groups.setdefault(name.rpartition("/")[0], {})[name] = entry
    return groups


def described_recipe(recipe: str, also: Iterable[str] = ()) -> Any:
    """Return a recipe of the package, or ``joint`` with a network, built from stand-ins that do not import torch.

    Returns None for any other recipe, and if ``taskscape.runs`` is imported already. ``also`` has further names to
    suggest for a mistyped one. Raises ``ValueError`` for an unknown recipe, with the nearest names, and
    ``FileNotFoundError`` for a saved experiment that does not exist.
    """
    name = recipe.replace("-", "_")
    if recipe.endswith((".yaml", ".yml")):
        if not Path(recipe).is_file():
            raise FileNotFoundError(f"there is no file {recipe}; the experiment of a run is RUN/experiment.yaml")
    elif recipe.rpartition(":")[0].endswith(".py"):
        pass
    elif recipe.endswith(".py"):
        raise ValueError(f"{recipe} is a file; name the function in it too, such as {recipe}:experiment")
    elif recipe in published_sweeps():
        raise ValueError(f"{recipe} is a published sweep, not a recipe: run it with taskscape sweep {recipe}")
    elif name not in summaries() and recipe not in described()["models"]:
        from taskscape.run_folder.names import RunFolder

        if (run := RunFolder(Path(recipe))).experiment.is_file():
            raise ValueError(
                f"{recipe} is a run, not a recipe: continue it with {run.resume_command}, or train {run.experiment}, "
                "its settings, in another folder"
            )
        known = [*summaries(), *described()["models"], *also]
        raise ValueError(f"there is no recipe {recipe!r}{nearest(recipe, known) or '; taskscape recipes lists them'}")
    elif "taskscape.runs" not in sys.modules:
        return experiment(name) if name in summaries() else chosen(experiment("joint"), [("network", recipe)])
    return None


def read_recipe(recipe: str) -> "Experiment":
    """Return the experiment of a recipe's name, a network's name, ``FILE.py:FUNCTION`` or a saved experiment.

    Raises the errors of ``described_recipe``, and ``ValueError`` if a user's function does not return an experiment.
    """
    described_recipe(recipe)
    file, _, name = recipe.rpartition(":")
    with quick_imports():
        if file.endswith(".py"):
            load_name(Path(file), name)  # reports a missing file or name before torch is imported
        from taskscape.recipes import read

    return read(recipe)
