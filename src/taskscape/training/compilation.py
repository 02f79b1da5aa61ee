"""Compiled networks whose graph is walked more than once."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def reusable_buffers() -> Iterator[None]:
    """Let compiled networks keep what a backward pass needs, so that there may be a second one.

    By default torch compiles a backward pass that overwrites the forward pass's results. Both passes must run in this
    context. It changes torch's setting for the whole process and back again: ``torch._functorch.config.patch`` does so
    for one thread, but the backward pass on a GPU runs in another one.
    """
    from torch._functorch import config  # not public, but what torch's own message about it names

    before = config.donated_buffer
    config.donated_buffer = False
    try:
        yield
    finally:
        config.donated_buffer = before
