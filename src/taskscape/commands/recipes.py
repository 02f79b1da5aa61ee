"""``taskscape recipes``."""

import ast
from collections.abc import Sequence
from pathlib import Path

import tyro

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
