"""Names for a sentence."""

from collections.abc import Collection


def listed(names: Collection[str], most: int = 5) -> str:
    """Return the first names, and how many more there are: ``a, b and 3 more``.

    >>> listed(["a", "b", "c", "d", "e"], 2)
    'a, b and 3 more'
    """
    some = list(names)[:most]
    return ", ".join(some) + (f" and {len(names) - most} more" if len(names) > most else "")
