"""Compiled networks with several backward passes through one graph."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def reusable_buffers() -> Iterator[None]:
    """Let compiled networks keep the data of a backward pass, so that a second one can follow.

    By default torch compiles a backward pass that overwrites the results of the forward pass. Both passes must run in
    this context. It changes torch's setting for the whole process and restores it: ``torch._functorch.config.patch``
    changes it for one thread only, but on a GPU the backward pass runs in another thread.
    """
    from torch._functorch import config  # not public, but named by torch's own message about it

    previous = config.donated_buffer
    config.donated_buffer = False
    try:
        yield
    finally:
        config.donated_buffer = previous
