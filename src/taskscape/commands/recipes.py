"""``taskscape recipes``."""

import ast
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

if TYPE_CHECKING:
    from taskscape.runs import Experiment

FILE = Path(__file__).parents[1] / "recipes.py"


def main(arguments: Sequence[str]) -> None:
    tyro.cli(print_recipes, args=arguments, prog="taskscape recipes")


def print_recipes() -> None:
    """List the recipes: complete experiments to train or to start from."""
    listed = recipes()
    width = max(map(len, listed))
    for name, text in listed.items():
        print(f"{name:<{width}}  {text}")
    print(
        "\nTrain one with taskscape train RECIPE, joint with another network with taskscape train NETWORK\n"
        "(taskscape models lists them), or one of your own with taskscape train my.py:function."
    )


def recipes() -> dict[str, str]:
    """Return the names of all recipes with what they are, read from their source: importing it would import torch."""
    functions = [node for node in ast.parse(FILE.read_text("utf-8")).body if isinstance(node, ast.FunctionDef)]
    return {
        function.name: (ast.get_docstring(function) or "").partition("\n")[0].replace("``", "")
        for function in functions
        if not function.name.startswith("_") and not ast.unparse(function.args)
    }


def read_recipe(recipe: str) -> "Experiment":
    """Return the experiment of a recipe's name, a network's name, ``FILE.py:FUNCTION`` or a saved experiment."""
    from taskscape import recipes as own
    from taskscape.models import NAMES
    from taskscape.runs import Experiment
    from taskscape.serialization import load_name, nearest, parse

    if recipe.endswith((".yaml", ".yml")):
        path = Path(recipe)
        if not path.is_file():
            raise FileNotFoundError(f"there is no file {path}; a run keeps its own as RUN/experiment.yaml")
        return parse(path.read_text("utf-8"), recipe, Experiment)
    file, _, name = recipe.rpartition(":")
    if file.endswith(".py"):
        function = load_name(Path(file), name)
    elif (function_name := recipe.replace("-", "_")) in recipes():
        function = getattr(own, function_name)
    elif recipe in NAMES:
        function = own.of_network(recipe)
    elif recipe.endswith(".py"):
        raise ValueError(f"{recipe} is a file; name the function in it too, such as {recipe}:experiment")
    else:
        raise ValueError(f"there is no recipe {recipe!r}{nearest(recipe, [*recipes(), *NAMES])}")
    experiment = function() if callable(function) else function
    if not isinstance(experiment, Experiment):
        raise ValueError(f"{recipe} returned a {type(experiment).__name__}, not an Experiment")
    return experiment
