"""One decorator for all code that numba compiles."""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])


def _sources() -> str:
    """Return a digest of every source file of this package."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


_SOURCES = _sources()


def compiled(function: Function) -> Function:
    """Compile ``function`` at its first call, for one core, and keep the machine code for later processes.

    No ``fastmath``: the same scene must have the same bytes on every machine.
    """
    try:
        kernel: Any = njit(function, error_model="numpy", nogil=True, cache=True)
    except RuntimeError:  # nowhere to write: neither beside this file nor in the user's cache
        uncached: Any = njit(function, error_model="numpy", nogil=True)
        return uncached  # type: ignore[no-any-return]
    # Numba compares the file of the called function only; a change in a file it calls into would go unnoticed.
    with suppress(AttributeError):
        kernel._cache._cache_file._source_stamp = _SOURCES
    return kernel  # type: ignore[no-any-return]
