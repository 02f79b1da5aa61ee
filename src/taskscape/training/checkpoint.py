"""Checkpoints and weights of a run: written completely or not at all, and read without executing code."""

import io
import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from taskscape.distributed import world_size
from taskscape.files import atomic_write
from taskscape.files.archives import check_archive
from taskscape.run_folder import RunFolder
from taskscape.state_dicts import read_safetensors, require_finite

if TYPE_CHECKING:
    from taskscape.distributed import Processes

FORMAT = 4
"""Version of the checkpoint format."""

_FIELDS = (
    *("network", "optimizer", "weighting", "best", "epochs_since_best", "step", "seconds"),
    *("losses", "weights", "threads", "processes"),
)
"""The fields of every checkpoint, as ``Trainer.state`` returns them; some runs have more."""

_COMMENT = b"taskscape crc32 "
_COMMENT_BYTES = len(_COMMENT) + 8
_REMEDY = "restore it from a copy, or train again"
_RESUME_REMEDY = "resume the run with the settings that it was started with"


class Checkpointer:
    """Writes the checkpoint of a run from the first process, and decides when the next one is due."""

    def __init__(self, path: Path, fabric: "Processes", minutes: float) -> None:
        self.path, self.fabric, self.minutes = path, fabric, minutes
        self.saved_at = time.monotonic()

    def is_due(self) -> bool:
        """Return whether ``minutes`` have passed since the last checkpoint; always False with several processes.

        Their clocks differ, and all must save after the same step, so they save at the ends of epochs only.
        """
        return world_size() == 1 and time.monotonic() - self.saved_at > 60 * self.minutes

    def save(self, state: Mapping[str, Any]) -> None:
        """Save the state that a resumed run needs. Every process must call it."""
        if self.fabric.is_global_zero:
            save(self.path, state)
        self.fabric.barrier()
        self.saved_at = time.monotonic()


def save(path: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint of tensors and plain values with a checksum, replacing the old one.

    Whenever the process ends, the file is either the old checkpoint or the new one. Raises ``OSError`` that names the
    file if it cannot be written; the old one is kept.
    """
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **state}, buffer)
    # A zip archive ends with the length of its comment and the comment, which torch ignores.
    buffer.seek(-2, io.SEEK_END)
    buffer.write(_COMMENT_BYTES.to_bytes(2, "little"))
    buffer.write(_COMMENT)
    buffer.write(f"{zlib.crc32(buffer.getbuffer()):08x}".encode())
    atomic_write(path, buffer.getbuffer())


def copy_views(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors, with views copied: of a view, torch would save the whole storage."""
    return {name: x if x.untyped_storage().nbytes() == x.nbytes else x.clone() for name, x in tensors.items()}


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint to the CPU, and check its checksum, its format and the names of its fields.

    Raises ``FileNotFoundError``, or ``ValueError`` that names the file and the remedy.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no checkpoint {path}: this run has not finished its first epoch") from None
    comment = content[-_COMMENT_BYTES:]
    has_checksum = comment.startswith(_COMMENT)
    if has_checksum and comment != _COMMENT + f"{zlib.crc32(memoryview(content)[:-8]):08x}".encode():
        raise ValueError(f"{path} is damaged, its checksum differs; {_REMEDY}")
    try:
        check_archive(io.BytesIO(content), len(content))  # torch does not compress
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # pickle, zip and torch raise any error here, with unhelpful advice
        reason = str(error).partition(". ")[0]
        raise ValueError(f"{path} is damaged or no checkpoint ({reason}); {_REMEDY}") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise ValueError(f"{path} was written by another version of taskscape; {_REMEDY}")
    if not has_checksum:
        raise ValueError(f"{path} is damaged, it has lost its checksum; {_REMEDY}")
    if missing := [name for name in _FIELDS if name not in state]:
        raise ValueError(f"{path} lacks {missing[0]!r}: it is incomplete; {_REMEDY}")
    return state


def _shown(value: Any) -> str:
    text = repr(value)
    return f"a {type(value).__name__}" if len(text) > 40 else text


def load_optimizer(optimizer: torch.optim.Optimizer, state: Mapping[str, Any], path: Path) -> None:
    """Load the state of an optimizer from the checkpoint at ``path``.

    Raises ``ValueError`` if it belongs to another optimizer, or has other settings or parameters.
    """
    groups, saved = optimizer.param_groups, state["param_groups"]
    mismatch = f"{path} does not fit the optimizer {type(optimizer).__name__} with its settings"
    if [len(group["params"]) for group in groups] != [len(group["params"]) for group in saved]:
        raise ValueError(f"{mismatch}: the numbers of parameters differ; {_RESUME_REMEDY}")
    for group, saved_group in zip(groups, saved, strict=True):
        if different := sorted(group.keys() ^ saved_group.keys()):
            raise ValueError(f"{mismatch}: {', '.join(different)} is in only one of them; {_RESUME_REMEDY}")
        for name in sorted(group.keys() - {"params", "lr"}):  # the schedule changes the learning rate
            if group[name] != saved_group[name]:
                raise ValueError(
                    f"{mismatch}: {name} was {_shown(saved_group[name])} and is {_shown(group[name])}; {_RESUME_REMEDY}"
                )
    parameter_numbers = {number for group in saved for number in group["params"]}
    if stray := state["state"].keys() - parameter_numbers:
        raise ValueError(f"{mismatch}: it has a state for {len(stray)} other parameters; {_RESUME_REMEDY}")
    optimizer.load_state_dict(dict(state))


def load_weighting(weighting: nn.Module, state: dict[str, Any], path: Path) -> None:
    """Load the state of a weighting from the checkpoint at ``path``. Raises ``ValueError`` if it is another's."""
    try:
        weighting.load_state_dict(state)
    except Exception as error:  # errors of torch, or of a method's extra state
        reason = " ".join(str(error).split())
        raise ValueError(
            f"{path} does not fit the weighting {type(weighting).__name__} with its settings ({reason}); "
            f"{_RESUME_REMEDY}"
        ) from error


def load_weights(path: Path, network: nn.Module) -> None:
    """Load weights into the network and verify their checksum.

    Raises ``FileNotFoundError``, or ``ValueError`` if the weights are damaged, are not finite or belong to another
    network.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"there are no weights {path}: train the run to the end of its first "
            f"epoch with `{RunFolder(path.parent).resume_command}`, or restore them from a copy"
        )
    weights = read_safetensors(path, own=True)
    require_finite(weights, str(path))
    load_into(network, weights, path)


def load_into(network: nn.Module, weights: dict[str, Any], path: Path) -> None:
    """Load a state dict that was read from ``path``. Raises ``ValueError`` that lists the differences."""
    expected = network.state_dict()
    different = [
        *(f"lacks {name}" for name in expected.keys() - weights.keys()),
        *(f"has {name} in addition" for name in weights.keys() - expected.keys()),
        *(
            f"{name} is {tuple(weights[name].shape)} instead of {tuple(expected[name].shape)}"
            for name in expected.keys() & weights.keys()
            if expected[name].shape != weights[name].shape
        ),
    ]
    if different:
        summary = "; ".join(sorted(different)[:3]) + (f"; and {len(different) - 3} more" if len(different) > 3 else "")
        raise ValueError(f"{path} does not fit the network {type(network).__name__} with its settings: {summary}")
    network.load_state_dict(weights)
