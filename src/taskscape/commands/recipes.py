"""``taskscape recipes``."""

import ast
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

from taskscape.serialization import load_name, nearest, parse

if TYPE_CHECKING:
    from taskscape.runs import Experiment

FILE = Path(__file__).parents[1] / "recipes.py"


def main(arguments: Sequence[str]) -> None:
    tyro.cli(print_recipes, args=arguments, prog="taskscape recipes")


def print_recipes() -> None:
    """List the recipes: complete experiments to train or to start from."""
    print_list(recipes())
    print(
        "\nTrain one with taskscape train RECIPE, joint with another network with taskscape train NETWORK\n"
        "(taskscape models lists them), or one of your own with taskscape train my.py:function."
    )


def print_list(texts: Mapping[str, str]) -> None:
    """Print names and what they are."""
    width = max(map(len, texts))
    for name, text in texts.items():
        print(f"{name:<{width}}  {text}")


def recipes() -> dict[str, str]:
    """Return the names of all recipes with what they are, read from their source: importing it would import torch."""
    functions = [node for node in ast.parse(FILE.read_text("utf-8")).body if isinstance(node, ast.FunctionDef)]
    return {
        function.name: (ast.get_docstring(function) or "").partition("\n")[0].replace("``", "")
        for function in functions
        if not function.name.startswith("_") and not ast.unparse(function.args)
    }


def described_recipe(recipe: str) -> Any:
    """Return a recipe of the package, or ``joint`` with a network, made of stand-ins that import no torch.

    None for any other recipe, and where torch is imported already. Raises ``ValueError`` with the nearest names for a
    name that is no recipe, and ``FileNotFoundError`` for a saved experiment that is not there.
    """
    from taskscape.commands.choices import chosen
    from taskscape.commands.described import described, experiment

    name = recipe.replace("-", "_")
    if recipe.endswith((".yaml", ".yml")):
        if not Path(recipe).is_file():
            raise FileNotFoundError(f"there is no file {recipe}; a run keeps its own as RUN/experiment.yaml")
    elif recipe.rpartition(":")[0].endswith(".py"):
        pass
    elif recipe.endswith(".py"):
        raise ValueError(f"{recipe} is a file; name the function in it too, such as {recipe}:experiment")
    elif name not in recipes() and recipe not in described()["models"]:
        known = [*recipes(), *described()["models"]]
        raise ValueError(f"there is no recipe {recipe!r}{nearest(recipe, known) or '; taskscape recipes lists them'}")
    elif "taskscape.runs" not in sys.modules:
        return experiment(name) if name in recipes() else chosen(experiment("joint"), [("network", recipe)])
    return None


def read_recipe(recipe: str) -> "Experiment":
    """Return the experiment of a recipe's name, a network's name, ``FILE.py:FUNCTION`` or a saved experiment.

    Raises as ``described_recipe``, and ``ValueError`` where a user's function returns something else.
    """
    described_recipe(recipe)
    file, _, name = recipe.rpartition(":")
    function = load_name(Path(file), name) if file.endswith(".py") else None  # says so where it is missing, before ...
    from taskscape import recipes as own  # ... torch is imported
    from taskscape.runs import Experiment

    if recipe.endswith((".yaml", ".yml")):
        return parse(Path(recipe).read_text("utf-8"), recipe, Experiment)
    if (own_name := recipe.replace("-", "_")) in recipes():
        function = getattr(own, own_name)
    elif function is None:
        function = partial(own.of_network, recipe)
    experiment = function() if callable(function) else function
    if not isinstance(experiment, Experiment):
        raise ValueError(f"{recipe} returned a {type(experiment).__name__}, not an Experiment")
    return experiment
