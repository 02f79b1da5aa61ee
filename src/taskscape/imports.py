"""Faster imports of large packages, torch and timm."""

import gc
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

from taskscape.errors import signals_noted

_COMPILER = "torch._dynamo.utils"


@contextmanager
def quick_imports() -> Iterator[None]:
    """Import packages for a command quickly, by disabling garbage collection.

    The collector scans all imported objects again and again, which takes a quarter of the time of importing torch and
    timm, and frees nothing. Imported objects are then frozen, so later collections skip them too. Everything else that
    exists by then is frozen as well and never collected, so this is only for the start of a command, and nothing is
    frozen if nothing was left to import.
    """
    num_imported = len(sys.modules)
    with _undisturbed():
        try:
            yield
        finally:
            if len(sys.modules) > num_imported:
                gc.freeze()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Disable garbage collection, and raise stop signals such as Ctrl-C at the end.

    While torch's C++ code imports its Python part, a signal's exception would crash the process.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        with signals_noted() as noted:
            yield
    finally:
        if was_enabled:
            gc.enable()
    if noted:
        signal.raise_signal(signal.Signals(noted[0]))


@contextmanager
def late_compiler() -> Iterator[None]:
    """Import timm quickly: without garbage collection and torch's compiler, which is imported at its first call.

    Its import takes longer than timm's. torchvision imports one function of the compiler, and timm uses torch to mark
    functions that must not be compiled. Both get stand-ins that import the compiler when called. Any other use imports
    it as usual.
    """
    with _undisturbed(), _compiler_replaced():
        yield


@contextmanager
def _compiler_replaced() -> Iterator[None]:
    import torch

    original_disable, lazy_disable = torch.compiler.disable, getattr(torch, "_disable_dynamo", None)
    if _COMPILER in sys.modules or lazy_disable is None:
        yield
        return

    def disable(function: Any = None, recursive: bool = True, **_: Any) -> Any:
        return lazy_disable(function, recursive)  # the version that torch uses for its own functions

    def compiler_attribute(name: str) -> Any:
        if name.startswith("__"):  # Python checks whether it is a package
            raise AttributeError(name)
        if sys.modules.get(_COMPILER) is stand_in:
            del sys.modules[_COMPILER]
        return getattr(import_module(_COMPILER), name)

    def is_compile_supported(*arguments: Any) -> Any:
        return compiler_attribute("is_compile_supported")(*arguments)

    stand_in = ModuleType(_COMPILER)
    vars(stand_in).update(is_compile_supported=is_compile_supported, __getattr__=compiler_attribute)
    sys.modules[_COMPILER], torch.compiler.disable = stand_in, disable  # type: ignore[assignment]
    try:
        yield
    finally:
        torch.compiler.disable = original_disable
        if sys.modules.get(_COMPILER) is stand_in:
            del sys.modules[_COMPILER]
