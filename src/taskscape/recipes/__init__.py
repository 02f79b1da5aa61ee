"""Recipes: functions without arguments that return an ``Experiment``. A variant calls another and replaces a field.

Those of every day are here: ``recipes.joint()``; ``recipes.photographs`` has those for photographs. Published
experiments are grouped by their line of papers, a module each: ``recipes.ladder.rung3()``, by name ``ladder/rung3``.
Their docstrings say what was published, and where the original cannot be followed.

``taskscape recipes`` lists them with the first line of their docstrings; ``taskscape train NAME --field value`` starts
from one. The name of a network is a recipe too: ``joint`` with that network. A recipe of your own is a function in a
file of your own: ``taskscape train my.py:experiment``.
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
    """Return the modules of the groups, by name."""
    return _GROUPS


def find(name: str) -> Callable[[], Experiment]:
    """Return the recipe of a name, such as ``joint`` or ``ladder/rung3``. Raises ``KeyError`` where there is none."""
    group, _, own = name.rpartition("/")
    functions = vars(_GROUPS[group]) if group else globals()
    function: Callable[[], Experiment] = functions[own]
    return function
