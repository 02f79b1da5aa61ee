"""Recipes: functions without arguments that return an ``Experiment``. A variant calls another and replaces fields.

This package has the basic recipes, such as ``recipes.joint()``; ``recipes.photographs`` has those for photographs.
Published experiments are grouped by line of papers, one module each: ``recipes.ladder.rung3()``, by name
``ladder/rung3``. Their docstrings give the published results, and say where the original cannot be followed.

``taskscape recipes`` lists all recipes with the first line of their docstrings; ``taskscape train NAME --field value``
starts from one. The name of a network is a recipe too: ``joint`` with that network. Your own recipe is a function in
your own file: ``taskscape train my.py:experiment``.
"""

from collections.abc import Callable, Mapping
from types import ModuleType

from taskscape.recipes import adaptive, attention, consistency, ladder, mtan, photographs
from taskscape.recipes.basic import (
    EXAMPLE_CHANNELS,
    adaptive_depth,
    cross_attention,
    demo,
    demo_pretrained,
    depth_only,
    joint,
    of_network,
    semseg_only,
    three_tasks,
    three_tasks_with_confidence,
    transformer,
    xtask,
)
from taskscape.recipes.by_name import names, read, train
from taskscape.recipes.scale import small
from taskscape.runs import Experiment

__all__ = [
    "EXAMPLE_CHANNELS",
    "adaptive",
    "adaptive_depth",
    "attention",
    "consistency",
    "cross_attention",
    "demo",
    "demo_pretrained",
    "depth_only",
    "find",
    "groups",
    "joint",
    "ladder",
    "mtan",
    "names",
    "of_network",
    "photographs",
    "read",
    "semseg_only",
    "small",
    "three_tasks",
    "three_tasks_with_confidence",
    "train",
    "transformer",
    "xtask",
]

_GROUPS = {
    module.__name__.rpartition(".")[2]: module
    for module in (adaptive, attention, consistency, ladder, mtan, photographs)
}


def groups() -> Mapping[str, ModuleType]:
    """Return the module of each recipe group, by name."""
    return _GROUPS


def find(name: str) -> Callable[[], Experiment]:
    """Return the recipe of this name, such as ``joint`` or ``ladder/rung3``. Raises ``KeyError`` if there is none."""
    group, _, function_name = name.rpartition("/")
    functions = vars(_GROUPS[group]) if group else globals()
    function: Callable[[], Experiment] = functions[function_name]
    return function
