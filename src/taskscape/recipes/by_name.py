"""Recipes by name, as on the command line, and training a recipe in one line of Python."""

import inspect
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType

from taskscape import recipes, runs
from taskscape.models import CONFIGS
from taskscape.recipes import basic
from taskscape.run_folder import Result
from taskscape.run_folder.fresh import fresh_folder, short_name
from taskscape.runs import Experiment
from taskscape.serialization import load_name, nearest, parse
from taskscape.serialization.arguments import checked
from taskscape.serialization.plain import read_text


def names() -> list[str]:
    """Return the names of all recipes: ``joint``, …, ``ladder/rung3``, …"""
    grouped = [(f"{group}/", module) for group, module in recipes.groups().items()]
    return [f"{prefix}{name}" for prefix, module in [("", basic), *grouped] for name in _recipes_of(module)]


def _recipes_of(module: ModuleType) -> list[str]:
    """Return the names of a module's recipes: its own public functions without arguments that return an experiment."""
    functions = {name: function for name, function in vars(module).items() if inspect.isfunction(function)}
    signatures = {
        name: inspect.signature(function)
        for name, function in functions.items()
        if function.__module__ == module.__name__
    }
    return [
        name
        for name, signature in signatures.items()
        if not (name.startswith("_") or signature.parameters) and signature.return_annotation is Experiment
    ]


def read(recipe: str) -> Experiment:
    """Return an experiment by recipe name, network name, ``FILE.py:FUNCTION`` or the path of a saved experiment.

    A network's name stands for ``joint`` with that network; names may have dashes instead of underscores. A saved
    experiment is a YAML file, such as ``runs/joint/experiment.yaml``.

    Raises ``ValueError`` for an unknown name, with the nearest names, and if the function does not return an
    experiment; ``OSError`` for a missing file.

        >>> from taskscape import recipes
        >>> recipes.read("three-tasks").epochs
        8
        >>> recipes.read("jiont")
        Traceback (most recent call last):
        ValueError: there is no recipe 'jiont'; did you mean joint?
    """
    if recipe.endswith((".yaml", ".yml")):
        return parse(read_text(Path(recipe)), recipe, Experiment)
    file, _, name = recipe.rpartition(":")
    identifier = recipe.replace("-", "_")
    function: Callable[[], Experiment] | Experiment
    if file.endswith(".py"):
        function = load_name(Path(file), name)
    elif identifier in names():
        function = recipes.find(identifier)
    elif recipe in CONFIGS:
        function = partial(basic.of_network, recipe)
    else:
        raise ValueError(f"there is no recipe {recipe!r}{nearest(recipe, [*names(), *CONFIGS])}")
    if callable(function):
        try:
            inspect.signature(function).bind()
        except TypeError as error:
            raise ValueError(f"{recipe}: {error}; a recipe has no required arguments: give it a default") from error
    experiment = function() if callable(function) else function
    if not isinstance(experiment, Experiment):
        raise ValueError(f"{recipe} returned a {type(experiment).__name__}, not an Experiment")
    return experiment


@checked
def train(
    experiment: Experiment | str, run: str | Path | None = None, *, resume: bool = False, quiet: bool = False
) -> Result:
    """Train an experiment or a recipe in the folder ``run``, evaluate it there, and return the result.

    A string is resolved by ``read``: ``train("joint")``. Without ``run``, the folder is the first free one of
    ``runs/joint-1``, ``runs/joint-2``, …, or ``runs/run-1``, … for an experiment without a name; its path is printed at
    the end. Everything else is as in ``taskscape.runs.train``.

    Raises ``ValueError`` as ``read`` does, and for ``resume`` without a run folder.
    """
    name = "run"
    if isinstance(experiment, str):
        name, experiment = short_name(experiment), read(experiment)
    if run is not None:
        return runs.train(experiment, run, resume=resume, quiet=quiet)
    if resume:
        raise ValueError("resume needs the folder of the run: train(experiment, run, resume=True)")
    experiment.check()
    folder = fresh_folder(None, name)
    result = runs.train(experiment, folder, quiet=quiet)
    print(f"run: {folder}")
    return result
