"""Files that hold the state of a run: written whole or not at all, read without running code."""

import io
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from lightning_fabric import Fabric
from torch import nn

from taskscape.distributed import world_size
from taskscape.files import atomic_write

FORMAT = 2
"""Version of the layout of checkpoints."""


class Checkpointer:
    """Writes the checkpoint of a run from the first process, and knows when the next one is due."""

    def __init__(self, path: Path, fabric: Fabric, minutes: float) -> None:
        self.path, self.fabric, self.minutes = path, fabric, minutes
        self.saved_at = time.monotonic()

    def is_due(self) -> bool:
        """Return whether ``minutes`` have passed since the last checkpoint; with several processes, never.

        Their clocks differ, and all must save after the same step: there the ends of the epochs must do.
        """
        return world_size() == 1 and time.monotonic() - self.saved_at > 60 * self.minutes

    def save(self, state: Mapping[str, Any]) -> None:
        """Save what a resumed run needs. Every process must call it."""
        if self.fabric.is_global_zero:
            save(self.path, state)
        self.fabric.barrier()
        self.saved_at = time.monotonic()


def save(path: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint of tensors and plain values in place of the one that is there.

    Whenever the process ends, the file is the old checkpoint or the new one. Raises ``OSError`` that names the file,
    when it cannot be written; the old one stays.
    """
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **state}, buffer)
    atomic_write(path, buffer.getbuffer())


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint to the CPU. Raises ``ValueError`` that names the file when it is not one."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no checkpoint {path}: this run has not finished its first epoch") from None
    except Exception as error:  # pickle, zip and torch raise anything here
        raise ValueError(f"{path} is damaged or no checkpoint ({error}); start the run anew") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise ValueError(f"{path} was written by another version of taskscape; start the run anew")
    return state


def save_weights(path: Path, network: nn.Module) -> None:
    """Write the network's weights as safetensors in place of those that are there. Raises ``OSError`` as ``save``."""
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    atomic_write(path, safetensors.torch.save(weights))


def load_weights(path: Path, network: nn.Module) -> None:
    """Read weights into the network. Raises ``ValueError`` when they are those of another one."""
    if not path.is_file():
        raise FileNotFoundError(f"there are no weights {path}: train the run to the end of its first epoch")
    try:
        weights = safetensors.torch.load_file(path)
    except Exception as error:  # the reader has an error class of its own
        raise ValueError(f"{path} is damaged or no safetensors file ({error})") from error
    load_into(network, weights, path)


def load_into(network: nn.Module, weights: dict[str, Any], path: Path) -> None:
    """Load a state dict that came from ``path``. Raises ``ValueError`` with what differs."""
    own = network.state_dict()
    different = [
        *(f"lacks {name}" for name in own.keys() - weights.keys()),
        *(f"has {name} in addition" for name in weights.keys() - own.keys()),
        *(
            f"{name} is {tuple(weights[name].shape)} instead of {tuple(own[name].shape)}"
            for name in own.keys() & weights.keys()
            if own[name].shape != weights[name].shape
        ),
    ]
    if different:
        first = "; ".join(sorted(different)[:3]) + (f"; and {len(different) - 3} more" if len(different) > 3 else "")
        raise ValueError(f"{path} belongs to another network than {type(network).__name__} with its settings: {first}")
    network.load_state_dict(weights)
