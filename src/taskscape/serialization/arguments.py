"""Check the arguments of public functions against their annotations before any work begins."""

import inspect
from collections.abc import Callable
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar, get_type_hints

from taskscape.serialization.kinds import plain, require_fitting
from taskscape.serialization.ranges import require_in_range

P = ParamSpec("P")
R = TypeVar("R")


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function reject arguments that do not have their declared type or range.

    NumPy numbers are converted to Python's.

    >>> @checked
    ... def scaled(height: int | None = None) -> str:
    ...     return f"height {height}"
    >>> scaled(height="32")
    Traceback (most recent call last):
    ValueError: height is '32', a string: it must be a whole number or None
    """
    signature = inspect.signature(function)
    kinds = cache(lambda: get_type_hints(function, include_extras=True))

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        bound = signature.bind(*args, **kwargs)
        for name, value in bound.arguments.items():
            kind: Any = kinds().get(name)
            bound.arguments[name] = plain(value, kind)
            require_fitting(name, bound.arguments[name], kind)
            require_in_range(name, bound.arguments[name], kind)
        return function(*bound.args, **bound.kwargs)

    return call
