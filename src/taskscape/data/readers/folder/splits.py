"""Assign the samples of a folder to splits."""

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Set
from pathlib import Path

from taskscape.data.manifest import IMAGE
from taskscape.data.readers.base import RawSample
from taskscape.data.readers.files import normalized
from taskscape.data.readers.folder.lists import samples_listed
from taskscape.data.readers.images import SUFFIXES
from taskscape.data.readers.splits import canonical_split, is_split, require_once
from taskscape.files.paths import is_file_name, with_home
from taskscape.serialization import listed, nearest

Samples = Mapping[str, RawSample]
"""Samples by name: the path in the folder of images, without extension."""

Choice = float | str | tuple[str, ...]
"""The images of a split: a share or number, a text file or subfolder, or a list of subfolders, text files and names."""

_SHARES = "{train: 0.9, val: 0.1}"
"""A value of ``splits`` that suits all images."""


def split_up(samples: Samples, requested: Mapping[str, Choice] | None, path: Path) -> dict[str, list[RawSample]]:
    """Return the samples of each split in ``requested``, the ``splits`` of the description at ``path``.

    Raises ``ValueError`` if a split is empty or missing, or an image is in two splits.
    """
    if requested is None and all("/" in name for name in samples):
        splits = _split_by_subfolders(samples, path)
    elif requested is None and any("/" in name for name in samples):
        folders = list(dict.fromkeys(name.partition("/")[0] if "/" in name else "." for name in samples))
        raise ValueError(
            f"{path}: images are in {folders[:5]}: set `splits: {_SHARES}` for shares of all of them, or put all into "
            "subfolders train and val"
        )
    else:
        splits = _as_requested(samples, _with_canonical_names(requested or {"train": 0.9, "val": 0.1}, path), path)
    if empty := [split for split, split_samples in splits.items() if not split_samples]:
        more = "; train and val need one each" if len(samples) < 2 else ""
        raise ValueError(f"{path}: split {empty[0]} gets none of {len(samples)} images: give it more{more}")
    require_once(splits, path, "list each image once, or use numbers for all splits")
    return splits


def _with_canonical_names(requested: Mapping[str, Choice], path: Path) -> dict[str, Choice]:
    """Return ``requested`` with our names of splits. Raises ``ValueError`` for invalid, missing or duplicate names."""
    renamed: dict[str, Choice] = {}
    for name, choice in requested.items():
        split = canonical_split(name)
        if split in renamed:
            raise ValueError(f"{path}: splits names {split} twice, once as {name}: give it once")
        if not is_file_name(name):
            raise ValueError(f"{path}: splits: {name!r} cannot be the name of a folder: use train, val and test")
        renamed[split] = choice
    if not renamed.keys() <= {"val", "test"} and (lacking := [s for s in ("train", "val") if s not in renamed]):
        others = [name for name in requested if not is_split(name)]
        raise ValueError(
            f"{path}: splits has no {lacking[0]}: training needs train, and val to choose its best epoch"
            + (nearest(lacking[0], others) if others else "")
        )
    return renamed


def _split_by_subfolders(samples: Samples, path: Path) -> dict[str, list[RawSample]]:
    folders: dict[str, list[RawSample]] = {}
    for name, sample in samples.items():
        folders.setdefault(name.partition("/")[0], []).append(sample)
    splits: dict[str, list[RawSample]] = {}
    for folder, folder_samples in folders.items():
        if canonical_split(folder) in splits:
            raise ValueError(
                f"{path}: the subfolders of images {listed(list(folders))} name {canonical_split(folder)} twice: say "
                f"which is meant, such as `splits: {_suggested_splits(folders)}`"
            )
        splits[canonical_split(folder)] = folder_samples
    if lacking := [split for split in ("train", "val") if split not in splits]:
        which = f"say which are, such as `splits: {_suggested_splits(folders)}`, or " if len(folders) > 1 else ""
        raise ValueError(
            f"{path}: images are in the subfolders {listed(list(folders))}, and none is {lacking[0]}: {which}"
            f"give shares of all images, `splits: {_SHARES}`"
        )
    return splits


def _suggested_splits(folders: Collection[str]) -> str:
    """Return a value of ``splits`` with the folders named like train and val; where there is none, with others."""
    named = {canonical_split(folder): folder for folder in folders}
    train, val = named.pop("train", ""), named.pop("val", "")
    others = sorted(named.values(), key=lambda folder: canonical_split(folder) == "test")
    if len(others) < (not train) + (not val):
        return _SHARES
    if not train and not val:
        *first, val = others
        train = first[0] if len(first) == 1 else f"[{listed(first)}]"
    return f"{{train: {train or others[0]}, val: {val or others[0]}}}"


def _as_requested(samples: Samples, requested: Mapping[str, Choice], path: Path) -> dict[str, list[RawSample]]:
    numbers = {split: choice for split, choice in requested.items() if isinstance(choice, int | float)}
    splits = _split_by_number(list(samples.values()), numbers, path)
    names_by_path = _names_by_path(samples) if len(numbers) < len(requested) else {}
    for split, choice in requested.items():
        entries = (choice,) if isinstance(choice, str) else choice
        if isinstance(entries, tuple):
            splits[split] = [
                sample for entry in entries for sample in _samples_named(samples, names_by_path, entry, path)
            ]
    return {split: splits[split] for split in requested}


def _split_by_number(samples: list[RawSample], numbers: Mapping[str, float], path: Path) -> dict[str, list[RawSample]]:
    """Divide the samples, in order, into splits by shares if all numbers are at most 1, else by counts."""
    for split, number in numbers.items():
        if not (math.isfinite(number) and number >= 0):
            raise ValueError(f"{path}: splits: {split} is {number}: give a share of the images or their number")
    total = sum(numbers.values())
    is_one_each = total > 1 and all(number in (0, 1) for number in numbers.values())  # one image each
    is_shares = max(numbers.values(), default=0) <= 1 and not is_one_each
    scale = len(samples) if is_shares else 1
    if is_shares and total > 1 + 1e-6:
        raise ValueError(f"{path}: splits are shares that add up to {total:g}: the sum must be at most 1")
    if not is_shares and (fractional := [number for number in numbers.values() if number != int(number)]):
        raise ValueError(
            f"{path}: splits has {fractional[0]:g} next to numbers of images: give shares, or numbers, for all"
        )
    if not is_shares and total > len(samples):
        raise ValueError(f"{path}: splits ask for {total:g} images, there are {len(samples)}: ask for fewer")
    splits, end = {}, 0.0
    for split, number in numbers.items():
        # Cut at the cumulative sums, so that rounding errors do not accumulate.
        start, end = end, end + number * scale
        splits[split] = samples[int(start + 1e-6) : int(end + 1e-6)]
    return splits


def _samples_named(
    samples: Samples, names_by_path: Mapping[Path, Set[str]], choice: str, path: Path
) -> list[RawSample]:
    """Return the samples that a text file lists, or those of a subfolder of the images, or the one of this name."""
    file = path.parent / with_home(choice)
    folder = normalized(choice).strip("/")
    at_path = names_by_path.get(file, frozenset())
    inside = [sample for name, sample in samples.items() if name.startswith(f"{folder}/") or name in at_path]
    if file.is_file() and file.suffix.lower() not in SUFFIXES:
        return samples_listed(samples, file)
    name = folder if file.suffix.lower() not in SUFFIXES else folder.rpartition(".")[0]
    if named := samples.get(folder) or samples.get(name):
        return [named]
    if not inside:
        raise ValueError(
            f"{path}: splits: {choice!r} is neither a text file next to it nor a subfolder with images: correct it, or "
            "give a share such as 0.1, or a list of subfolders"
        )
    return inside


def _names_by_path(samples: Samples) -> dict[Path, set[str]]:
    """Return the names of samples by the path of their image, also without extension, and by those of its folders."""
    names: defaultdict[Path, set[str]] = defaultdict(set)
    for name, sample in samples.items():
        image = sample.files[IMAGE]
        for path in (image, image.with_suffix(""), *image.parents):
            names[path].add(name)
    return dict(names)
