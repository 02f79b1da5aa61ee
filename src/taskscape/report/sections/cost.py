"""The cost of the network: parameters, operations and times."""

from collections.abc import Iterable

from taskscape.report.glossary import COSTS, cost_conditions, cost_text, cost_title, throughput
from taskscape.report.html import Tile, tiles
from taskscape.report.modules import parameter_table
from taskscape.run_folder import Result


def cost_section(result: Result) -> str:
    """Return a tile for every cost, and the parameters by part of the network."""
    names = dict.fromkeys((*COSTS, *result.cost))
    return tiles(cost_tiles(result, names)) + parameter_table([("parameters", result.parameters)], result.tasks)


def cost_tiles(result: Result, names: Iterable[str]) -> list[Tile]:
    """Return a tile for each of these costs that the result has, with the conditions of times."""
    items = []
    for name in names:
        if name in result.cost:
            number, _, unit = cost_text(name, result.cost[name]).partition(" ")
            notes = [cost_conditions(name, result.environment)]
            if name == "seconds_per_image":
                notes.insert(0, throughput(result.cost[name]))
            items.append((cost_title(name), number, unit, "; ".join(filter(None, notes))))
    return items
