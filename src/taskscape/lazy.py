"""Packages whose public names are imported on first use."""

from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from typing import Any


def imported_on_first_use(
    package: str, names: Collection[str], modules: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the functions ``__getattr__`` and ``__dir__`` of a package.

    ``names`` are its public names, its ``__all__``. ``modules`` has the module of the package that defines a name;
    names that are not in it are modules themselves, or known already.
    """

    def get(name: str) -> Any:
        if name in modules:
            return getattr(import_module(f"{package}.{modules[name]}"), name)
        if name in names:
            return import_module(f"{package}.{name}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return get, lambda: sorted(names)
