"""The published sweeps, which ``recipes/sweeps.py`` defines."""

from typing import NamedTuple

from taskscape.commands.described import described


class PublishedSweep(NamedTuple):
    """A published sweep."""

    text: str
    """Its description, and the published results."""
    recipe: str
    arguments: str
    """The arguments of ``taskscape sweep`` after the recipe."""


def published_sweeps() -> dict[str, PublishedSweep]:
    """Return the published sweeps by name."""
    return {name: PublishedSweep(*entry) for name, entry in described()["sweeps"].items()}
