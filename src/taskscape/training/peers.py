"""The other processes of a run: where one has ended, the rest cannot go on."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch.distributed as dist

from taskscape.distributed import world_size
from taskscape.errors import TrainingError

_SIGNS = ("gloo", "NCCL", "Connection closed by peer", "Connection reset by peer", "Broken pipe")
"""What torch says, without an error class of its own, where a message to another process fails."""


@contextmanager
def loss_of_a_process_named(remedy: str) -> Iterator[None]:
    """Let the end of another process be a ``TrainingError`` that says so, with the remedy."""
    try:
        yield
    except (RuntimeError, dist.DistError) as error:
        if world_size() == 1 or not (isinstance(error, dist.DistError) or any(sign in str(error) for sign in _SIGNS)):
            raise
        raise TrainingError(
            "another process of this run has ended or does not answer, and without it there is no global batch; see "
            f"what it or the system's log says of its end; {remedy}"
        ) from error
