"""Published sweeps, read from ``recipes/sweeps.py`` without importing it: its room imports torch."""

import ast
from functools import cache
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).parents[1] / "recipes" / "sweeps.py"


class PublishedSweep(NamedTuple):
    """A sweep with a name."""

    text: str
    """What it is, and what was published."""
    recipe: str
    arguments: str
    """The arguments of ``taskscape sweep`` after the recipe."""


@cache
def published_sweeps() -> dict[str, PublishedSweep]:
    """Return the published sweeps by name."""
    for node in ast.parse(FILE.read_text("utf-8")).body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == "SWEEPS":
            assert node.value is not None
            return {name: PublishedSweep(*one) for name, one in ast.literal_eval(node.value).items()}
    raise AssertionError(f"{FILE} has no SWEEPS")
