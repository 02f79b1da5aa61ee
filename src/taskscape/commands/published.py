"""Published sweeps, as ``recipes/sweeps.py`` has them."""

from typing import NamedTuple

from taskscape.commands.described import described


class PublishedSweep(NamedTuple):
    """A sweep with a name."""

    text: str
    """What it is, and what was published."""
    recipe: str
    arguments: str
    """The arguments of ``taskscape sweep`` after the recipe."""


def published_sweeps() -> dict[str, PublishedSweep]:
    """Return the published sweeps by name."""
    return {name: PublishedSweep(*one) for name, one in described()["sweeps"].items()}
