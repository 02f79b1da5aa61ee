"""Files that hold the state of a run: written whole or not at all, read without running code."""

import io
import time
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from taskscape.distributed import world_size
from taskscape.files import atomic_write
from taskscape.files.archives import check_archive
from taskscape.run_folder import RunFolder
from taskscape.state_dicts import read_safetensors, save_safetensors

if TYPE_CHECKING:
    from taskscape.distributed import Processes

FORMAT = 4
"""Version of the layout of checkpoints."""

_COMMENT = b"taskscape crc32 "
_COMMENT_BYTES = len(_COMMENT) + 8
_REMEDY = "restore it from a copy, or train anew"
_SAME = "resume the run with the settings that it was started with"


class Checkpointer:
    """Writes the checkpoint of a run from the first process, and says when the next one is due."""

    def __init__(self, path: Path, fabric: "Processes", minutes: float) -> None:
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
    """Write a checkpoint of tensors and plain values in place of the one that is there, with a checksum.

    Whenever the process ends, the file is the old checkpoint or the new one. Raises ``OSError`` that names the file,
    when it cannot be written; the old one stays.
    """
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **state}, buffer)
    # A zip archive ends in the length of its comment and the comment. torch ignores it.
    buffer.seek(-2, io.SEEK_END)
    buffer.write(_COMMENT_BYTES.to_bytes(2, "little"))
    buffer.write(_COMMENT)
    buffer.write(f"{zlib.crc32(buffer.getbuffer()):08x}".encode())
    atomic_write(path, buffer.getbuffer())


def apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors without what else is in their memory: torch saves the whole of which a tensor is a part."""
    return {name: x if x.untyped_storage().nbytes() == x.nbytes else x.clone() for name, x in tensors.items()}


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint to the CPU, verify its checksum and check every field of it.

    Raises ``FileNotFoundError``, or ``ValueError`` that names the file, the field and the remedy.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no checkpoint {path}: this run has not finished its first epoch") from None
    end = content[-_COMMENT_BYTES:]
    has_checksum = end.startswith(_COMMENT)
    if has_checksum and end != _COMMENT + f"{zlib.crc32(memoryview(content)[:-8]):08x}".encode():
        raise ValueError(f"{path} is damaged, its checksum differs; {_REMEDY}")
    try:
        check_archive(io.BytesIO(content), len(content))  # torch compresses nothing
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # pickle, zip and torch raise anything here, with advice that is none
        reason = str(error).partition(". ")[0]
        raise ValueError(f"{path} is damaged or no checkpoint ({reason}); {_REMEDY}") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise ValueError(f"{path} was written by another version of taskscape; {_REMEDY}")
    if not has_checksum:
        raise ValueError(f"{path} is damaged, it has lost its checksum; {_REMEDY}")
    for name, is_right, wanted in _FIELDS:
        if name not in state and name in _OPTIONAL:
            continue
        if name not in state:
            raise ValueError(f"{path} lacks {name!r}: it is incomplete; {_REMEDY}")
        if not is_right(state[name]):
            raise ValueError(f"{path}: {name!r} is {_shown(state[name])}, not {wanted}; {_REMEDY}")
    return state


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_mapping(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(name, str) for name in value)


def _is_state_dict(value: Any) -> bool:
    return _is_mapping(value) and all(isinstance(tensor, Tensor) for tensor in value.values())


def _is_optimizer(value: Any) -> bool:
    if not (_is_mapping(value) and isinstance(value.get("state"), Mapping) and type(value.get("param_groups")) is list):
        return False
    groups = value["param_groups"]
    return all(_is_mapping(group) and type(group.get("params")) is list for group in groups) and all(
        _is_mapping(entry) for entry in value["state"].values()
    )


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _is_means(value: Any) -> bool:
    return _is_mapping(value) and all(
        isinstance(mean, tuple) and len(mean) == 2 and _is_number(mean[0]) and _is_count(mean[1])
        for mean in value.values()
    )


_FIELDS: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("network", _is_state_dict, "a mapping of names to tensors"),
    ("average", _is_state_dict, "a mapping of names to tensors"),
    ("optimizer", _is_optimizer, "the state of an optimizer"),
    ("weighting", _is_mapping, "a mapping of names"),
    ("best", lambda value: value is None or _is_number(value), "a number or none"),
    ("epochs_since_best", _is_count, "a number of epochs"),
    ("step", _is_count, "a number of steps"),
    ("seconds", lambda value: _is_number(value) and value >= 0, "a number of seconds"),
    ("losses", _is_means, "a sum and a count per task"),
    ("weights", _is_means, "a sum and a count per task"),
    ("threads", _is_count, "a number of threads"),
    ("processes", _is_count, "a number of processes"),
)
"""What a checkpoint holds: what ``Trainer.state`` returns."""
_OPTIONAL = ("average",)
"""Fields that only some runs have."""


def _shown(value: Any) -> str:
    text = repr(value)
    return f"a {type(value).__name__}" if len(text) > 40 else text


def load_optimizer(optimizer: torch.optim.Optimizer, state: Mapping[str, Any], path: Path) -> None:
    """Load the state of an optimizer that came from ``path``.

    Raises ``ValueError`` when it is that of another optimizer, of other settings, or of other parameters.
    """
    groups, saved = optimizer.param_groups, state["param_groups"]
    belongs = f"{path} belongs to another optimizer than {type(optimizer).__name__} with its settings"
    if [len(group["params"]) for group in groups] != [len(group["params"]) for group in saved]:
        raise ValueError(f"{belongs}: it has other numbers of parameters; {_SAME}")
    for group, other in zip(groups, saved, strict=True):
        if different := sorted(group.keys() ^ other.keys()):
            raise ValueError(f"{belongs}: {', '.join(different)} is in one of them only; {_SAME}")
        for name in sorted(group.keys() - {"params", "lr"}):  # the schedule changes the learning rate
            if group[name] != other[name]:
                raise ValueError(f"{belongs}: {name} was {_shown(other[name])} and is {_shown(group[name])}; {_SAME}")
    known = {number for group in saved for number in group["params"]}
    if stray := state["state"].keys() - known:
        raise ValueError(f"{belongs}: it has a state for {len(stray)} other parameters; {_SAME}")
    optimizer.load_state_dict(dict(state))


def load_weighting(weighting: nn.Module, state: Mapping[str, Any], path: Path) -> None:
    """Load the state of a weighting that came from ``path``. Raises ``ValueError`` when it is that of another one."""
    try:
        weighting.load_state_dict(dict(state))
    except Exception as error:  # torch's own, and what a method's extra state raises
        reason = " ".join(str(error).split())
        raise ValueError(
            f"{path} belongs to another weighting than {type(weighting).__name__} with its settings ({reason}); {_SAME}"
        ) from error


def save_weights(path: Path, network: nn.Module) -> None:
    """Write the network's weights as safetensors in place of those that are there. Raises ``OSError`` as ``save``."""
    save_safetensors(path, network.state_dict())


def load_weights(path: Path, network: nn.Module) -> None:
    """Read weights into the network and verify their checksum.

    Raises ``ValueError`` when they are damaged or those of another network.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"there are no weights {path}: train the run to the end of its first "
            f"epoch with `{RunFolder(path.parent).resume_command}`, or restore them from a copy"
        )
    load_into(network, read_safetensors(path, own=True), path)


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
