"""Lists of names, and words that agree with a number, for use in sentences."""

from collections.abc import Collection


def listed(names: Collection[str], most: int = 5) -> str:
    """Return the first names, and how many more there are: ``a, b and 3 more``.

    >>> listed(["a", "b", "c", "d", "e"], 2)
    'a, b and 3 more'
    """
    shown = list(names)[:most]
    return ", ".join(shown) + (f" and {len(names) - most} more" if len(names) > most else "")


def agreeing(count: int, one: str, several: str) -> str:
    """Return the singular or the plural, whichever agrees with a count.

    >>> [f"some {agreeing(count, 'image is', 'images are')} left out" for count in (1, 2)]
    ['some image is left out', 'some images are left out']
    """
    return one if count == 1 else several


def counted(count: int, one: str, several: str) -> str:
    """Return a count with the singular or the plural.

    >>> [counted(count, "image", "images") for count in (0, 1, 1200)]
    ['0 images', '1 image', '1,200 images']
    """
    return f"{count:,} {agreeing(count, one, several)}"
