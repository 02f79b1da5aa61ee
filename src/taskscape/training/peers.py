"""The other processes of a run: if one ends, the rest cannot continue."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch.distributed as dist

from taskscape.distributed import world_size
from taskscape.errors import TrainingError

_SIGNS = ("gloo", "NCCL", "Connection closed by peer", "Connection reset by peer", "Broken pipe")
"""Parts of torch's messages for failed communication with another process, which has no error class of its own."""


@contextmanager
def loss_of_a_process_named(remedy: str) -> Iterator[None]:
    """Turn an error due to the end of another process into a ``TrainingError`` that says so, with the remedy."""
    try:
        yield
    except (RuntimeError, dist.DistError) as error:
        if world_size() == 1 or not (isinstance(error, dist.DistError) or any(sign in str(error) for sign in _SIGNS)):
            raise
        raise TrainingError(
            "another process of this run has ended or does not answer, and without it there is no global batch; look "
            f"for the reason in its output and in the system's log; {remedy}"
        ) from error
