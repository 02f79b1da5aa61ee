"""Checks that there is something for every task."""

from collections.abc import Collection, Iterable

from taskscape.serialization import nearest


def require_all(tasks: Iterable[str], given: Collection[str], what: str) -> None:
    """Raise ``ValueError`` that names a task of which there is none of ``what``, such as "prediction"."""
    for name in tasks:
        if name not in given:
            raise ValueError(f"there is no {what} for the task {name}{nearest(name, given)}")
