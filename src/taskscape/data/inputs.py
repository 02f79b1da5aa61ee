"""Fingerprints of the input files of a store, by which later changes of the files are detected."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from taskscape.data.manifest import IMAGE, FileInfo
from taskscape.data.readers.base import RawIndex, RawSample
from taskscape.files import atomic_write
from taskscape.serialization import agreeing
from taskscape.serialization.plain import read_json

INPUTS = "inputs.json"
"""The file of a prepared store that lists its input files: the fingerprint of each, by path."""

Fingerprint = dict[str, Any]
"""Size, checksum and time of the last change."""


def fingerprints(sample: RawSample, raw: Path) -> dict[str, Fingerprint]:
    """Return the current fingerprints of a sample's files, by path."""
    return {_relative(path, raw): _fingerprint(path) for path in sample.files.values()}


def unchanged_since(sample: RawSample, raw: Path, stored: Mapping[str, Any]) -> bool:
    """Return whether a sample's files still have these fingerprints."""
    files = {_relative(path, raw): path for path in sample.files.values()}
    return files.keys() == stored.keys() and all(_is_unchanged(path, stored[name]) for name, path in files.items())


def describe_changes(index: RawIndex, raw: Path, store: Path) -> str:
    """Return a description of how the current input files differ from those of a store; empty if they are the same.

    A file is read only if its size is the same and its time of change differs. Raises ``ValueError`` if the store has
    inputs, but none of them is in the folder, as for the store of another data set.
    """
    try:
        stored = read_json(store / INPUTS)
        if not isinstance(stored, dict):
            raise ValueError("not a mapping")
    except (ValueError, OSError):
        return f"{INPUTS}, which lists the inputs, is missing or damaged"
    current = {
        _relative(path, raw): path
        for samples in index.splits.values()
        for sample in samples
        for path in sample.files.values()
    }
    if stored and current and not stored.keys() & current.keys():
        raise ValueError(
            f"{store} holds a store of other images: none of its inputs, such as {min(stored)}, is in {raw}: choose "
            "another folder for the store, or delete this one"
        )
    different = {
        "changed": [name for name, path in current.items() if name in stored and not _is_unchanged(path, stored[name])],
        "new": [name for name in current if name not in stored],
        "gone": [name for name in stored if name not in current],
    }
    if not any(different.values()):
        refreshed = {name: {**info, "changed_ns": _changed_ns(current[name])} for name, info in stored.items()}
        if refreshed != stored:  # only touched or copied: save the new times, so that the next check reads nothing
            save_inputs(store, refreshed)
        return ""
    return " and ".join(
        f"{len(names)} of {max(len(current), len(stored))} inputs {agreeing(len(names), 'is', 'are')} {change}, "
        f"such as {min(names)}"
        for change, names in different.items()
        if names
    )


def images_in_two_splits(store: Path, index: RawIndex, raw: Path) -> list[tuple[str, str]]:
    """Return pairs ``SPLIT/NAME`` of images in different splits whose files have the same size and checksum."""
    stored = read_json(store / INPUTS)
    first: dict[tuple[Any, Any], tuple[str, str]] = {}
    pairs = []
    for split, samples in index.splits.items():
        for sample in samples:
            info = stored.get(_relative(sample.files[IMAGE], raw)) if IMAGE in sample.files else None
            if info is not None:
                other_split, name = first.setdefault((info["bytes"], info["crc32"]), (split, sample.name))
                if other_split != split:
                    pairs.append((f"{other_split}/{name}", f"{split}/{sample.name}"))
    return pairs


def save_inputs(store: Path, inputs: Mapping[str, Fingerprint]) -> None:
    """Write the fingerprints of all files to the store, sorted by path."""
    atomic_write(store / INPUTS, json.dumps(dict(sorted(inputs.items())), indent=1) + "\n")


def _fingerprint(path: Path) -> Fingerprint:
    return {**asdict(FileInfo.of(path)), "changed_ns": _changed_ns(path)}


def _changed_ns(path: Path) -> int:
    """Return the time of a file's last change. The inode's time counts too, since a copy may keep the content's."""
    stat = path.stat()
    return max(stat.st_mtime_ns, stat.st_ctime_ns)


def _is_unchanged(path: Path, stored: Any) -> bool:
    if not isinstance(stored, dict) or not path.exists() or path.stat().st_size != stored.get("bytes"):
        return False
    return _changed_ns(path) == stored.get("changed_ns") or FileInfo.of(path).crc32 == stored.get("crc32")


def _relative(path: Path, raw: Path) -> str:
    return (path.relative_to(raw) if path.is_relative_to(raw) else path).as_posix()
