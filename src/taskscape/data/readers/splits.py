"""Splits: their names, and data sets that come as named lists of images."""

import os
import warnings
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from taskscape.data.readers.base import RawSample
from taskscape.serialization import agreeing, listed

_ALIASES = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev", "eval"),
    "test": ("test", "testing"),
}
"""Other names of the splits."""


def canonical_split(split: str) -> str:
    """Return our name of a split: ``val`` for ``valid`` and ``validation``."""
    return next((canonical for canonical, aliases in _ALIASES.items() if split.lower() in aliases), split)


def is_split(folder: str) -> bool:
    """Return whether a folder has the name of a split."""
    return canonical_split(folder) in _ALIASES


def train_and_val(
    lists: Mapping[str, Sequence[RawSample]], share: float, where: Path
) -> dict[str, Sequence[RawSample]]:
    """Return the lists by our split names; without a validation list, it is the last ``share`` of the training images.

    A single list is the training list, whatever its name. Raises ``ValueError``, which names the folder ``where``, if
    there is no training list, two lists for a split, an empty split, or an image in two splits.
    """
    splits: dict[str, Sequence[RawSample]] = {}
    for name, samples in lists.items():
        split = canonical_split(name) if len(lists) > 1 else "train"
        if split in splits:
            raise ValueError(f"{where} has two lists for {split}, such as {name}: remove one")
        splits[split] = samples
    if "train" not in splits:
        raise ValueError(f"{where} has lists {listed(list(lists))}: name one of them train, or keep only one")
    if "val" not in splits:
        if not 0 < share < 1:
            raise ValueError(f"val_share is {share:g}: it must be between 0 and 1, as {where} has no list for val")
        samples = splits["train"]
        num_train = len(samples) - max(1, round(share * len(samples)))
        splits = {
            "train": samples[:num_train],
            "val": samples[num_train:],
            **{n: s for n, s in splits.items() if n != "train"},
        }
    if empty := [name for name, samples in splits.items() if not samples]:
        raise ValueError(f"{where}: no image is left for {empty[0]}: add images, or change val_share")
    require_once(splits, where)
    return splits


def require_once(splits: Mapping[str, Sequence[RawSample]], where: Path, remedy: str = "list it once") -> None:
    """Raise ``ValueError``, which names ``where``, if an image or a name is twice in a split, or an image in two."""
    seen: dict[str, tuple[str, str]] = {}
    named: dict[tuple[str, str], Path] = {}
    for split, samples in splits.items():
        for sample in samples:
            image = os.path.realpath(sample.files["image"])
            name, other_split = seen.get(image, ("", split))
            if name == sample.name:
                occurrences = f"twice in {split}" if other_split == split else f"in {other_split} and in {split}"
                raise ValueError(f"{where}: {name} is {occurrences}: {remedy}")
            if other_split != split:
                raise ValueError(
                    f"{where}: {sample.name} of {split} is the same file as {name} of {other_split}: leave one out"
                )
            seen[image] = sample.name, split
            first = named.setdefault((split, sample.name), sample.files["image"])
            if first != sample.files["image"]:
                raise ValueError(
                    f"{where}: {first} and {sample.files['image'].name} have the same name without their endings: "
                    "rename one of them"
                )


def warn_of_unlisted(files: Collection[Path], lists: Mapping[str, Sequence[RawSample]], kind: str, where: Path) -> None:
    """Warn about files of a kind that are in no list."""
    used = {sample.files[kind] for samples in lists.values() for sample in samples}
    if unlisted := [path for path in files if path not in used]:
        warnings.warn(
            f"{where}: {len(unlisted)} of {len(files)} files {agreeing(len(unlisted), 'is', 'are')} in no list, such "
            f"as {unlisted[0]}, and not used",
            stacklevel=2,
        )
