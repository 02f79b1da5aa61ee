"""Ranges of settings, declared in the type of a field and checked when an instance is created.

A number without a declared range must still be finite::

    >>> from dataclasses import dataclass
    >>> from taskscape.serialization.ranges import Positive, RangedSettings
    >>> @dataclass(frozen=True)
    ... class Growth(RangedSettings):
    ...     rate: Positive = 1.0
    ...     offset: float = 0.0
    >>> Growth(rate=-2.0)
    Traceback (most recent call last):
    ValueError: rate is -2.0: it must be above 0 and finite
    >>> Growth(offset=float("nan"))
    Traceback (most recent call last):
    ValueError: offset is nan: it must be finite
"""

import inspect
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from numbers import Integral, Real
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Self, Union, get_args, get_origin, get_type_hints

from taskscape.serialization.kinds import members, plain, require_fitting, shown
from taskscape.serialization.nearest import nearest


@dataclass(frozen=True)
class Range:
    """A range of finite numbers."""

    least: float | None = None
    """Inclusive lower bound."""
    above: float | None = None
    """Exclusive lower bound."""
    most: float | None = None
    """Inclusive upper bound."""
    below: float | None = None
    """Exclusive upper bound."""

    def __contains__(self, number: Any) -> bool:
        """Return whether the number is finite and within the range."""
        return (
            (isinstance(number, Integral) or math.isfinite(number))
            and (self.least is None or number >= self.least)
            and (self.above is None or number > self.above)
            and (self.most is None or number <= self.most)
            and (self.below is None or number < self.below)
        )

    def __str__(self) -> str:
        """Return the range in words: ``at least 0 and below 1``."""
        limits = {"at least": self.least, "above": self.above, "at most": self.most, "below": self.below}
        words = [f"{word} {limit:.15g}" for word, limit in limits.items() if limit is not None]
        return " and ".join(words if self.most is not None or self.below is not None else [*words, "finite"])


Positive = Annotated[float, Range(above=0)]
NonNegative = Annotated[float, Range(least=0)]
BelowOne = Annotated[float, Range(least=0, below=1)]
"""A fraction that can be 0 but not 1."""
Fraction = Annotated[float, Range(least=0, most=1)]
MOST = 2**31 - 1
"""Upper bound of counts, far above any sensible value."""
Count = Annotated[int, Range(least=1, most=MOST)]
CountOrZero = Annotated[int, Range(least=0, most=MOST)]
Seed = Annotated[int, Range(least=0, below=2**63)]
"""A seed that is valid for the random generators of torch and NumPy."""

_ANY = Range()


class RangedSettings:
    """Base of frozen dataclasses of settings, which checks that every number is in the range that its field declares.

    A field of type ``Path`` also accepts text, as in ``Packed("stores/rooms")``. Numbers of NumPy and torch are
    converted to Python's.
    """

    def __new__(cls, *args: Any, **values: Any) -> Self:
        """Reject unknown fields. Raises ``TypeError`` with the nearest names."""
        names = _arguments(cls)  # type: ignore[arg-type]  # mypy finds a class not hashable
        for name in values:
            if names is not None and name not in names:
                raise TypeError(f"{cls.__name__} has no setting {name!r}{nearest(name, names)}")
        return super().__new__(cls)

    @classmethod
    def of(cls, config: Self | None, options: Mapping[str, Any]) -> Self:
        """Return ``config``, or an instance with the fields in ``options``.

        Raises ``TypeError`` if both are given, for an unknown field, and for a value that is no ``config``.
        """
        if config is not None and not isinstance(config, cls):
            names = [field.name for field in fields(cls)]  # type: ignore[arg-type]  # all subclasses are dataclasses
            example = f", such as {names[0]}={shown(config)}" if names else ""
            raise TypeError(f"{shown(config)} is no {cls.__name__}: give its fields by name{example}")
        if config is not None and options:
            raise TypeError(f"give {cls.__name__} or its fields ({', '.join(options)}), not both")
        return cls(**options) if config is None else config

    def __post_init__(self) -> None:
        """Check the values. Raises ``ValueError`` with the field and its valid values."""
        kinds = _kinds(self.__class__)  # type: ignore[arg-type]  # mypy takes it for an instance
        for field in fields(self):  # type: ignore[arg-type]  # all subclasses are dataclasses
            kind, original = kinds[field.name], getattr(self, field.name)
            value = plain(original, kind)
            if isinstance(value, str | os.PathLike) and not isinstance(value, Path) and _takes_path(kind):
                value = Path(value)
            if value is not original:
                object.__setattr__(self, field.name, value)  # the only way to set a field of a frozen dataclass
            if value is not field.default and not _is_left_to_tyro(value):
                require_fitting(field.name, value, kind)
            require_in_range(field.name, value, kind)


def require_in_range(name: str, value: Any, kind: Any) -> None:
    """Raise ``ValueError`` with the name of a field or argument if a number in its value is not in its range."""
    if words := missed_range(value, kind):
        raise ValueError(f"{name} is {value}: it must be {words}")


def missed_range(value: Any, kind: Any) -> str:
    """Return the range, in words, of a number in a value that is outside of it; "" if all are in their ranges."""
    for number, number_kind, allowed in _numbers(value, kind):
        if number not in allowed:
            if allowed.most == MOST and number < MOST:
                allowed = replace(allowed, most=None)
            return str(allowed).removesuffix(" and finite") if number_kind is int else str(allowed)
    return ""


@cache
def _arguments(cls: type) -> tuple[str, ...] | None:
    """Return the names of a class's arguments, or None if it accepts any, as a user's class may."""
    parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]  # type: ignore[misc]
    return None if any(p.kind is p.VAR_KEYWORD for p in parameters) else tuple(p.name for p in parameters)


@cache
def _kinds(cls: type) -> dict[str, Any]:
    """Return the types of a dataclass's fields. Types written as strings stay strings if they cannot be resolved."""
    try:
        return get_type_hints(cls, include_extras=True)
    except (NameError, AttributeError, TypeError):
        return {field.name: field.type for field in fields(cls)}


def _is_left_to_tyro(value: Any) -> bool:
    """Return whether a value marks a field that the command line fills in later (``tyro.MISSING``)."""
    return type(value).__module__.partition(".")[0] == "tyro"


def _takes_path(kind: Any) -> bool:
    """Return whether a field's type includes paths but not text."""
    return Path in members(kind) and str not in members(kind)


def _numbers(value: Any, kind: Any, allowed: Range = _ANY) -> Iterator[tuple[Any, type, Range]]:
    """Yield the numbers in a field's value, each with its declared type, int or float, and its range."""
    if get_origin(kind) is Annotated:
        inner, *metadata = get_args(kind)
        yield from _numbers(value, inner, next((x for x in metadata if isinstance(x, Range)), allowed))
    elif get_origin(kind) in (Union, UnionType):
        if value is not None:
            for member in get_args(kind):
                yield from _numbers(value, member, allowed)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _numbers(item, get_args(kind)[-1] if get_args(kind) else None, allowed)
    elif isinstance(value, list | tuple):
        items = [item for item in get_args(kind) if item is not ...]
        for index, item in enumerate(value):
            yield from _numbers(item, items[min(index, len(items) - 1)] if items else None, allowed)
    elif kind in (int, float) and type(value) is not bool and isinstance(value, Real):
        yield value, kind, allowed
