"""Decorators for all code that numba compiles."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from numba import njit
from numba.core.cpu import CPUTargetOptions

Function = TypeVar("Function", bound=Callable[..., Any])


def _digest() -> str:
    """Return a digest of every source file of this package."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


_DIGEST = _digest()
_OPTIONS: dict[str, Any] = {"error_model": "numpy", "nogil": True}
if hasattr(CPUTargetOptions, "_nrt"):
    # Compiled code creates no arrays; callers own them. Reference counting would take a fifth of the time.
    _OPTIONS["_nrt"] = False


def compiled(function: Function) -> Function:
    """Compile ``function`` at its first call, for one core, and cache the machine code for later processes.

    ``fastmath`` is off, as a scene must have the same bytes on every machine. The function must not create arrays; its
    callers pass those that it writes to.

    Numba reuses cached machine code if the file that defines ``function`` is unchanged, although functions called from
    other files are compiled into it. The digest of all files is therefore added to the qualified name while numba
    derives the name of the cache file from it, so changed sources get a new cache file. Old cache files stay in
    ``__pycache__`` until they are deleted.
    """
    name = function.__qualname__
    function.__qualname__ = f"{name}-{_DIGEST}"
    try:
        return njit(function, cache=True, **_OPTIONS)  # type: ignore[no-any-return]
    except RuntimeError:  # neither the folder of this file nor the user's cache is writable
        return njit(function, **_OPTIONS)  # type: ignore[no-any-return]
    finally:
        function.__qualname__ = name


def inlined(function: Function) -> Function:
    """Inline ``function`` into each of its compiled callers.

    This is for functions with many arguments in the innermost loop. A call copies every number of a named tuple, and
    zeroes memory for the results of all calls within the called function. That took half of the time of a scene.
    """
    return njit(function, forceinline=True, **_OPTIONS)  # type: ignore[no-any-return]
