"""Imports of what is large, torch and timm, in the time that they need."""

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
    """Import without Python's search for garbage, which goes through all that was imported again and again.

    It takes a quarter of the time of importing torch and timm, and finds nothing. What was imported stays, so that it
    is left out of later searches too. Ctrl-C and its like are raised at the end: where torch's C++ imports Python's
    part, they would end the process with a crash.
    """
    searched = gc.isenabled()
    gc.disable()
    try:
        with signals_noted() as noted:
            yield
    finally:
        gc.freeze()
        if searched:
            gc.enable()
    if noted:
        signal.raise_signal(signal.Signals(noted[0]))


@contextmanager
def late_compiler() -> Iterator[None]:
    """Import timm without torch's compiler, which takes longer than timm, and is imported here when it is called.

    torchvision imports one function of it, and timm has torch mark what is not to be compiled. Both get what they ask
    for, but the compiler is imported at the first call; if they ask for more, it is imported as ever.
    """
    import torch

    marks, late = torch.compiler.disable, getattr(torch, "_disable_dynamo", None)
    if _COMPILER in sys.modules or late is None:
        yield
        return

    def mark(function: Any = None, recursive: bool = True, **_: Any) -> Any:
        return late(function, recursive)  # torch's own, for what it marks itself

    def of_compiler(name: str) -> Any:
        if name.startswith("__"):  # Python asks whether it is a package
            raise AttributeError(name)
        if sys.modules.get(_COMPILER) is stand_in:
            del sys.modules[_COMPILER]
        return getattr(import_module(_COMPILER), name)

    def is_compile_supported(*arguments: Any) -> Any:
        return of_compiler("is_compile_supported")(*arguments)

    stand_in = ModuleType(_COMPILER)
    vars(stand_in).update(is_compile_supported=is_compile_supported, __getattr__=of_compiler)
    sys.modules[_COMPILER], torch.compiler.disable = stand_in, mark  # type: ignore[assignment]
    try:
        yield
    finally:
        torch.compiler.disable = marks
        if sys.modules.get(_COMPILER) is stand_in:
            del sys.modules[_COMPILER]
