"""Assign the samples of a folder to splits."""

import csv
import io
import math
import os
import re
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path, PureWindowsPath

from taskscape.data.readers.base import RawSample
from taskscape.data.readers.files import normalized, read_json, read_text
from taskscape.data.readers.images import SUFFIXES
from taskscape.files.paths import with_home
from taskscape.serialization import counted, listed, nearest

Samples = Mapping[str, RawSample]
"""Samples by name: the path in the folder of images, without extension."""

Choice = float | str | tuple[str, ...]
"""The images of a split: a share or number, a text file or subfolder, or a list of subfolders, text files and names."""

_HEADER = re.compile(r"[^\d./\\]*(image|img|file|name|path|id|frame|photo|rgb)[^\d./\\]*", re.IGNORECASE)
"""A first row of a CSV file that names its column rather than an image."""

_ALIASES = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev", "eval"),
    "test": ("test", "testing"),
}
"""Other names of the splits."""


def split_up(samples: Samples, requested: Mapping[str, Choice] | None, path: Path) -> dict[str, list[RawSample]]:
    """Return the samples of each split in ``requested``, the ``splits`` of the description at ``path``.

    Raises ``ValueError`` if a split is empty or missing, or an image is in two splits.
    """
    if requested is None and all("/" in name for name in samples):
        splits = _split_by_subfolders(samples, path)
    elif requested is None and any("/" in name for name in samples):
        folders = list(dict.fromkeys(name.partition("/")[0] if "/" in name else "." for name in samples))
        raise ValueError(
            f"{path}: images are in {folders[:5]}: set `splits: {{train: 0.9, val: 0.1}}` for shares of all of them, "
            "or put all into subfolders train and val"
        )
    else:
        splits = _as_requested(samples, _with_canonical_names(requested or {"train": 0.9, "val": 0.1}, path), path)
    if empty := [split for split, split_samples in splits.items() if not split_samples]:
        more = "; train and val need one each" if len(samples) < 2 else ""
        raise ValueError(f"{path}: split {empty[0]} gets none of {len(samples)} images: give it more{more}")
    if repeated := [
        name
        for name, count in Counter(sample.name for split_samples in splits.values() for sample in split_samples).items()
        if count > 1
    ]:
        repeated_in = " and ".join(
            split
            for split, split_samples in splits.items()
            if any(sample.name == repeated[0] for sample in split_samples)
        )
        raise ValueError(
            f"{path}: {repeated[0]} is in {repeated_in}: list each image once, or use numbers for all splits"
        )
    owners: dict[str, tuple[str, str]] = {}
    for split, split_samples in splits.items():
        for sample in split_samples:
            name, other_split = owners.setdefault(os.path.realpath(sample.files["image"]), (sample.name, split))
            if other_split != split:
                raise ValueError(
                    f"{path}: {sample.name} of {split} is the same file as {name} of {other_split}: leave one out"
                )
    return splits


def canonical_split(split: str) -> str:
    """Return our name of a split: ``val`` for ``valid`` and ``validation``."""
    return next((canonical for canonical, aliases in _ALIASES.items() if split.lower() in aliases), split)


def is_split(folder: str) -> bool:
    """Return whether a folder has the name of a split."""
    return canonical_split(folder) in _ALIASES


def _with_canonical_names(requested: Mapping[str, Choice], path: Path) -> dict[str, Choice]:
    """Return ``requested`` with our names of splits. Raises ``ValueError`` for invalid, missing or duplicate names."""
    renamed: dict[str, Choice] = {}
    for name, choice in requested.items():
        split = canonical_split(name)
        if split in renamed:
            raise ValueError(f"{path}: splits names {split} twice, once as {name}: give it once")
        if not name or name.startswith(".") or set(name) & set('/\\:*?"<>|'):
            raise ValueError(f"{path}: splits: {name!r} cannot be the name of a folder: use train, val and test")
        renamed[split] = choice
    if not renamed.keys() <= {"val", "test"} and (lacking := [s for s in ("train", "val") if s not in renamed]):
        raise ValueError(
            f"{path}: splits has no {lacking[0]}: training needs train, and val to choose its best epoch"
            + (nearest(lacking[0], [name for name in requested if name not in _ALIASES]) if len(requested) > 1 else "")
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
                f"which is meant, such as `splits: {_suggest_splits(folders, folder)}`"
            )
        splits[canonical_split(folder)] = folder_samples
    if lacking := [split for split in ("train", "val") if split not in splits]:
        raise ValueError(
            f"{path}: images are in the subfolders {listed(list(folders))}, and none is {lacking[0]}: say which are, "
            f"such as `splits: {_suggest_splits(folders)}`, "
            "or give shares of all images, `splits: {train: 0.9, val: 0.1}`"
        )
    return splits


def _suggest_splits(folders: Collection[str], preferred: str = "") -> str:
    """Return a suggested value of ``splits`` with existing subfolders for train and val, preferably ``preferred``."""
    chosen: dict[str, str] = {}
    for folder in (preferred, *folders):
        if folder and canonical_split(folder) in ("train", "val"):
            chosen.setdefault(canonical_split(folder), folder)
    if not chosen and len(folders) > 2:
        *first, last = folders
        return f"{{train: [{listed(first)}], val: {last}}}"
    for split in ("train", "val"):
        others = sorted(
            (name for name in folders if name not in chosen.values()), key=lambda name: canonical_split(name) == "test"
        )
        if split not in chosen and others:
            chosen[split] = others[0]
    return f"{{train: {chosen.get('train', 0.9)}, val: {chosen.get('val', 0.1)}}}"


def _as_requested(samples: Samples, requested: Mapping[str, Choice], path: Path) -> dict[str, list[RawSample]]:
    numbers = {split: choice for split, choice in requested.items() if isinstance(choice, int | float)}
    splits = _split_by_number(list(samples.values()), numbers, path)
    for split, choice in requested.items():
        if isinstance(choice, str):
            splits[split] = _samples_named(samples, choice, path)
        elif isinstance(choice, tuple):
            splits[split] = [sample for entry in choice for sample in _samples_named(samples, entry, path)]
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


def _samples_named(samples: Samples, choice: str, path: Path) -> list[RawSample]:
    """Return the samples that a text file lists, or those of a subfolder of the images, or the one of this name."""
    file = path.parent / with_home(choice)
    folder = normalized(choice).strip("/")
    inside = [sample for name, sample in samples.items() if name.startswith(f"{folder}/")]
    if file.is_file() and file.suffix.lower() not in SUFFIXES:
        return _samples_listed(samples, file)
    if folder in samples:
        return [samples[folder]]
    if not inside:
        raise ValueError(
            f"{path}: splits: {choice!r} is neither a text file next to it nor a subfolder with images: correct it, or "
            "give a share such as 0.1, or a list of subfolders"
        )
    return inside


def _samples_listed(samples: Samples, path: Path) -> list[RawSample]:
    """Return the samples that a text file lists: one name or path per line, or per row of a CSV file, or a JSON list.

    In text, # starts a comment. The first row of a CSV file can be its header, such as image or file name.
    """
    by_file_name: dict[str, list[str]] = {}
    for name, sample in samples.items():
        for file_name in {name.rpartition("/")[2], normalized(sample.files["image"].stem)}:  # without and with suffix
            by_file_name.setdefault(file_name, []).append(name)
    folders = {folder for name in samples for folder in name.split("/")[:-1]}
    names: dict[str, str] = {}
    missing = []
    lines = _entries(path)
    for text in lines:
        listed_name = _find_sample(text, samples, by_file_name, folders, path)
        if listed_name is None:
            missing.append(text)
        elif listed_name in names:
            raise ValueError(f"{path} lists {text} twice: list each image once")
        else:
            names[listed_name] = text
    if path.suffix.lower() == ".csv" and len(lines) > 1 and missing == lines[:1] and _HEADER.fullmatch(lines[0]):
        missing = []
    if not names and not missing:
        raise ValueError(f"{path} lists no image: write one name per line")
    if missing:
        images = counted(len(missing), "image that is", "images that are")
        raise ValueError(f"{path} lists {images} not there, such as {missing[0]}: correct it")
    return [samples[name] for name in names]


def _find_sample(
    text: str, samples: Samples, by_file_name: Mapping[str, list[str]], folders: set[str], path: Path
) -> str | None:
    """Return the sample that a line of a list names, by its path or file name, with or without extension."""
    first_word = text.split()[0]
    # "image.png label.png", as in some lists, is two names, the image first; "an image.png" is one name.
    is_one_name = PureWindowsPath(text).suffix.lower() in SUFFIXES and not PureWindowsPath(first_word).suffix
    for candidate in dict.fromkeys((text,) if is_one_name else (text, first_word)):
        parts = PureWindowsPath(candidate).parts  # accepts both kinds of slashes
        for start in range(len(parts)):
            partial_path = "/".join(parts[start:])
            for name in (partial_path, partial_path.rpartition(".")[0]):
                if name in samples:
                    return name
        for file_name in (parts[-1], parts[-1].rpartition(".")[0]):
            # Existing folders that the line names must be in the sample's path.
            matches = [
                name for name in by_file_name.get(file_name, []) if folders.intersection(parts) <= set(name.split("/"))
            ]
            if len(matches) > 1:
                raise ValueError(
                    f"{path} lists {text}, which can be {' or '.join(matches[:2])}: name the subfolder too"
                )
            if matches:
                return matches[0]
    return None


def _entries(path: Path) -> list[str]:
    """Return the names that a file lists. Raises ``ValueError`` that names the file."""
    if path.suffix.lower() == ".csv":
        rows = csv.reader(io.StringIO(read_text(path)))
        return [row[0].strip() for row in rows if row and row[0].strip() and not row[0].startswith("#")]
    if path.suffix.lower() == ".json":
        content = read_json(path)
        if not (isinstance(content, list) and all(isinstance(name, str) and name.strip() for name in content)):
            raise ValueError(f'{path} is not a list of names, such as ["a.png", "b.png"]: write one file per split')
        return [normalized(name).strip() for name in content]
    return _lines(path)


def _lines(path: Path) -> list[str]:
    """Return the lines of a text file, without byte order mark, empty lines and comments."""
    lines = (line.strip().strip("\"'") for line in read_text(path).splitlines())
    return [line for line in lines if line and not line.startswith("#")]
