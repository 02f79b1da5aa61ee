"""One decorator for all code that numba compiles."""

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
    # Arrays belong to the caller, and none is made here. Counting references to them takes a fifth of the time.
    _OPTIONS["_nrt"] = False


def compiled(function: Function) -> Function:
    """Compile ``function`` at its first call, for one core, and keep the machine code for later processes.

    No ``fastmath``: the same scene must have the same bytes on every machine. It may not make arrays: it is given those
    that it writes.

    Numba takes machine code from its cache if the file that ``function`` stands in is unchanged, though it may call
    functions of other files, whose code is compiled in. So the digest of all files is made part of the qualified name
    while numba names the cache file after it: other sources, another file. Files of former sources stay in
    ``__pycache__`` until somebody deletes them.
    """
    name = function.__qualname__
    function.__qualname__ = f"{name}-{_DIGEST}"
    try:
        return njit(function, cache=True, **_OPTIONS)  # type: ignore[no-any-return]
    except RuntimeError:  # nowhere to write: neither beside this file nor in the user's cache
        return njit(function, **_OPTIONS)  # type: ignore[no-any-return]
    finally:
        function.__qualname__ = name


def inlined(function: Function) -> Function:
    """Compile ``function`` into each of its callers.

    For functions of the innermost loop with many arguments: a call copies every number of a named tuple, and clears
    room for the answers of all calls in the function that is called. That took half of the time of a scene.
    """
    return njit(function, forceinline=True, **_OPTIONS)  # type: ignore[no-any-return]
