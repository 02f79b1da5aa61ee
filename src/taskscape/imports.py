"""Imports of what is large, torch and timm, in the time that they need."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quick_imports() -> Iterator[None]:
    """Import without Python's search for garbage, which goes through all that was imported again and again.

    It takes a quarter of the time of importing torch and timm, and finds nothing. What was imported stays, so that it
    is left out of later searches too.
    """
    searched = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if searched:
            gc.enable()
