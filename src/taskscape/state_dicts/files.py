"""Weights files: written with a checksum, read without running code."""

import hashlib
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from taskscape.files import atomic_write
from taskscape.files.archives import check_archive
from taskscape.files.unreadable import why_unreadable
from taskscape.run_folder import RunFolder
from taskscape.serialization import counted

_METADATA = "__metadata__"
"""The entry of a safetensors header for free-form text."""
_CHECKSUM = "taskscape.sha256"


def save_safetensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors as safetensors with their SHA-256 in the metadata, replacing an existing file atomically.

    Raises ``OSError`` that names the file if it cannot be written; an existing file is then left unchanged.
    """
    serialized = safetensors.torch.save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    header, data = _header_and_data(serialized)
    header[_METADATA] = {_CHECKSUM: _digest(header, data)}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    atomic_write(path, b"".join((len(text).to_bytes(8, "little"), text, data)))


def read_safetensors(path: Path, *, own: bool = False) -> dict[str, Tensor]:
    """Read a safetensors file to the CPU and verify its checksum, if it has one.

    Files of other programs and earlier versions have none. ``own`` says that the file was written by
    ``save_safetensors``: if it has metadata without a checksum, it is damaged. Raises ``ValueError`` that names the
    file.
    """
    content = path.read_bytes()
    try:
        header, data = _header_and_data(content)
        metadata = header.pop(_METADATA, None)
        is_checked = metadata is not None and (own or _CHECKSUM in metadata)
        is_valid = not is_checked or metadata.get(_CHECKSUM) == _digest(header, data)
        tensors = safetensors.torch.load(content) if is_valid else {}
    except Exception as error:  # safetensors has its own error class; the JSON may be anything
        reason = why_unreadable(path) or error
        raise ValueError(f"{path} is damaged or not a safetensors file ({reason}): restore it from a copy") from error
    if not is_valid:
        raise ValueError(f"{path} is damaged, its checksum differs: restore it from a copy, or train again")
    return tensors


def has_checksum(path: Path) -> bool:
    """Return whether a safetensors file contains a checksum. Raises ``ValueError`` that names a damaged file."""
    try:
        header, _ = _header_and_data(path.read_bytes())
        return _CHECKSUM in (header.get(_METADATA) or {})
    except (ValueError, TypeError) as error:  # the JSON may be anything
        raise ValueError(f"{path} is damaged or not a safetensors file ({error}): restore it from a copy") from error


def located(path: Path) -> Path:
    """Return the weights file at ``path``, or of the run folder ``path``. Raises ``FileNotFoundError``."""
    file = RunFolder(path).weights if path.is_dir() else path
    if not file.is_file():
        if RunFolder(path).runs():
            RunFolder(path).require()  # names one of them
        reason = f"not a trained run, it has no {file.name}" if path.is_dir() else "not there"
        raise FileNotFoundError(f"{path} is {reason}: name a weights file or a run folder")
    return file


def read(path: Path) -> dict[str, Tensor]:
    """Read weights to the CPU from a run folder, a safetensors file, or a file written by ``torch.save``.

    Names of tensors in nested mappings are joined by dots. No code from a file is executed: a pickled file that
    contains more than tensors and plain values is refused. Raises ``ValueError`` or ``FileNotFoundError`` that names
    the file.
    """
    file = located(path)
    is_archive = zipfile.is_zipfile(file)
    if (file.suffix == ".safetensors" and not is_archive) or _has_header(file):
        return read_safetensors(file, own=path.is_dir())
    if reason := why_unreadable(file):
        raise ValueError(f"{file} holds no weights, {reason}: name a weights file")
    try:
        if is_archive:
            check_archive(file, file.stat().st_size)  # torch writes archives without compression
            _verify(file)
        with file.open("rb") as stream:  # given a path, torch would infer the format from its suffix
            tensors = _flattened(torch.load(stream, map_location="cpu", weights_only=True))
    except Exception as error:  # pickle, zip and torch raise anything here
        reason = str(error).strip().partition("\n")[0].partition(". ")[0]  # torch goes on to advise running the code
        reason = reason or type(error).__name__
        raise ValueError(
            f"{file} is damaged, not a weights file, or holds more than tensors and plain values, which is not read "
            f"since that could run code ({reason}); save the state dict alone, with torch.save(network.state_dict(), "
            "PATH) or as safetensors"
        ) from error
    if not tensors:
        raise ValueError(f"{file} holds no tensors: name a weights file")
    return tensors


def require_finite(tensors: Mapping[str, Tensor], where: str) -> None:
    """Raise ``ValueError`` that begins with ``where`` if weights are not finite: no training could start from them."""
    if bad := [name for name, tensor in tensors.items() if not _computable(tensor).isfinite().all()]:
        num_bad = counted(len(bad), "tensor", "tensors")
        raise ValueError(f"{where}: {bad[0]} holds numbers that are not finite ({num_bad}): use other weights")


def _computable(tensor: Tensor) -> Tensor:
    """Return a tensor unchanged, or in float32 if it is 8-bit floating point, which torch cannot compute with."""
    return tensor.float() if tensor.is_floating_point() and tensor.itemsize == 1 else tensor


def _has_header(file: Path) -> bool:
    """Return whether a file of any name starts like a safetensors file: with the size of a JSON header, and ``{``."""
    with file.open("rb") as stream:
        start = stream.read(9)
    return start[8:] == b"{" and 8 + int.from_bytes(start[:8], "little") <= file.stat().st_size


def _verify(file: Path) -> None:
    """Raise ``BadZipFile`` if an entry of an archive does not match its checksum, which torch does not verify."""
    with zipfile.ZipFile(file) as archive:
        for entry in archive.infolist():
            if entry.CRC:  # 0 means that none was written
                with archive.open(entry) as part:
                    while part.read(1 << 20):
                        pass


def _header_and_data(content: bytes) -> tuple[dict[str, Any], memoryview]:
    """Return the header and the data of a safetensors file."""
    view = memoryview(content)
    end = 8 + int.from_bytes(view[:8], "little")
    header = json.loads(bytes(view[8:end]))
    if not isinstance(header, dict):
        raise ValueError("its header is not a mapping")
    return header, view[end:]


def _digest(header: Mapping[str, Any], data: memoryview) -> str:
    """Return the SHA-256 of names, types, shapes and values."""
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    digest.update(data)
    return digest.hexdigest()


def _flattened(content: Any) -> dict[str, Tensor]:
    """Return all tensors of nested mappings in order, by dotted name."""
    tensors: dict[str, Tensor] = {}
    seen: set[int] = set()
    pending = [("", content)]
    while pending:
        name, value = pending.pop()
        if isinstance(value, Tensor):
            tensors[name] = value
        elif isinstance(value, Mapping) and id(value) not in seen:
            seen.add(id(value))
            pending += [(f"{name}.{key}" if name else str(key), inner) for key, inner in reversed(list(value.items()))]
    return tensors
