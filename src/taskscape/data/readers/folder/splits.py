"""Assign the samples of a folder to splits."""

import math
import os
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path, PureWindowsPath

from taskscape.data.readers.base import RawSample
from taskscape.data.readers.files import normalized, read_text
from taskscape.data.readers.images import SUFFIXES
from taskscape.files.paths import with_home
from taskscape.serialization import agreeing, listed, nearest

Samples = Mapping[str, RawSample]
"""Samples by name: the path in the folder of images, without extension."""

_KNOWN = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev", "eval"),
    "test": ("test", "testing"),
}
"""Other names of the splits."""


def split_up(samples: Samples, wanted: Mapping[str, float | str] | None, path: Path) -> dict[str, list[RawSample]]:
    """Return the samples of each split in ``wanted``, the ``splits`` of the description at ``path``.

    Raises ``ValueError`` if a split is empty or missing, or an image is in two splits.
    """
    if wanted is None and all("/" in name for name in samples):
        splits = _by_subfolders(samples, path)
    elif wanted is None and any("/" in name for name in samples):
        folders = list(dict.fromkeys(name.partition("/")[0] if "/" in name else "." for name in samples))
        raise ValueError(
            f"{path}: images are in {folders[:5]}: set `splits: {{train: 0.9, val: 0.1}}` for shares of all of them, "
            "or put all into subfolders train and val"
        )
    else:
        splits = _as_wanted(samples, _renamed(wanted or {"train": 0.9, "val": 0.1}, path), path)
    if empty := [split for split, some in splits.items() if not some]:
        more = "; train and val need one each" if len(samples) < 2 else ""
        raise ValueError(f"{path}: split {empty[0]} gets none of {len(samples)} images: give it more{more}")
    if twice := [
        name for name, count in Counter(one.name for some in splits.values() for one in some).items() if count > 1
    ]:
        both = " and ".join(split for split, some in splits.items() if any(one.name == twice[0] for one in some))
        raise ValueError(f"{path}: {twice[0]} is in {both}: list each image once, or use numbers for all splits")
    owners: dict[str, tuple[str, str]] = {}
    for split, some in splits.items():
        for one in some:
            name, other = owners.setdefault(os.path.realpath(one.files["image"]), (one.name, split))
            if other != split:
                raise ValueError(f"{path}: {one.name} of {split} is the same file as {name} of {other}: leave one out")
    return splits


def called(split: str) -> str:
    """Return our name of a split: ``val`` for ``valid`` and ``validation``."""
    return next((ours for ours, theirs in _KNOWN.items() if split.lower() in theirs), split)


def is_split(folder: str) -> bool:
    """Return whether a folder has the name of a split."""
    return called(folder) in _KNOWN


def _renamed(wanted: Mapping[str, float | str], path: Path) -> dict[str, float | str]:
    """Return ``wanted`` with our names of splits. Raises ``ValueError`` for invalid, missing or duplicate names."""
    renamed: dict[str, float | str] = {}
    for name, what in wanted.items():
        split = called(name)
        if split in renamed:
            raise ValueError(f"{path}: splits names {split} twice, once as {name}: give it once")
        if not name or name.startswith(".") or set(name) & set('/\\:*?"<>|'):
            raise ValueError(f"{path}: splits: {name!r} cannot be the name of a folder: use train, val and test")
        renamed[split] = what
    if not renamed.keys() <= {"val", "test"} and (lacking := [s for s in ("train", "val") if s not in renamed]):
        raise ValueError(
            f"{path}: splits has no {lacking[0]}: training needs train, and val to choose its best epoch"
            + (nearest(lacking[0], [name for name in wanted if name not in _KNOWN]) if len(wanted) > 1 else "")
        )
    return renamed


def _by_subfolders(samples: Samples, path: Path) -> dict[str, list[RawSample]]:
    folders: dict[str, list[RawSample]] = {}
    for name, one in samples.items():
        folders.setdefault(name.partition("/")[0], []).append(one)
    splits: dict[str, list[RawSample]] = {}
    for folder, some in folders.items():
        if called(folder) in splits:
            raise ValueError(
                f"{path}: the subfolders of images {listed(list(folders))} name {called(folder)} twice: say which is "
                f"meant, such as `splits: {_suggested(folders, folder)}`"
            )
        splits[called(folder)] = some
    if lacking := [split for split in ("train", "val") if split not in splits]:
        raise ValueError(
            f"{path}: images are in the subfolders {listed(list(folders))}, and none is {lacking[0]}: say which are, "
            f"such as `splits: {_suggested(folders)}`, or give shares of all images, `splits: {{train: 0.9, val: 0.1}}`"
        )
    return splits


def _suggested(folders: Collection[str], meant: str = "") -> str:
    """Return a suggested value of ``splits`` with existing subfolders for train and val, preferably ``meant``."""
    chosen: dict[str, str] = {}
    for folder in (meant, *folders):
        if folder and called(folder) in ("train", "val"):
            chosen.setdefault(called(folder), folder)
    for split in ("train", "val"):
        rest = sorted((one for one in folders if one not in chosen.values()), key=lambda one: called(one) == "test")
        if split not in chosen and rest:
            chosen[split] = rest[0]
    return f"{{train: {chosen.get('train', 0.9)}, val: {chosen.get('val', 0.1)}}}"


def _as_wanted(samples: Samples, wanted: Mapping[str, float | str], path: Path) -> dict[str, list[RawSample]]:
    numbers = {split: what for split, what in wanted.items() if not isinstance(what, str)}
    splits = _by_number(list(samples.values()), numbers, path)
    for split, what in wanted.items():
        if isinstance(what, str):
            splits[split] = _by_name(samples, what, path)
    return {split: splits[split] for split in wanted}


def _by_number(samples: list[RawSample], numbers: Mapping[str, float], path: Path) -> dict[str, list[RawSample]]:
    """Divide the samples, in order, into splits by shares if all numbers are at most 1, else by counts."""
    for split, number in numbers.items():
        if not (math.isfinite(number) and number >= 0):
            raise ValueError(f"{path}: splits: {split} is {number}: give a share of the images or their number")
    asked = sum(numbers.values())
    are_ones = asked > 1 and all(number in (0, 1) for number in numbers.values())  # one image each
    shares = max(numbers.values(), default=0) <= 1 and not are_ones
    scale = len(samples) if shares else 1
    if shares and asked > 1 + 1e-6:
        raise ValueError(f"{path}: splits are shares that add up to {asked:g}: the sum must be at most 1")
    if not shares and (part := [number for number in numbers.values() if number != int(number)]):
        raise ValueError(f"{path}: splits has {part[0]:g} next to numbers of images: give shares, or numbers, for all")
    if not shares and asked > len(samples):
        raise ValueError(f"{path}: splits ask for {asked:g} images, there are {len(samples)}: ask for fewer")
    splits, end = {}, 0.0
    for split, number in numbers.items():
        # Cut at the cumulative sums, so that rounding errors do not accumulate.
        start, end = end, end + number * scale
        splits[split] = samples[int(start + 1e-6) : int(end + 1e-6)]
    return splits


def _by_name(samples: Samples, what: str, path: Path) -> list[RawSample]:
    """Return the samples that a text file lists, or those of a subfolder of the images."""
    file = path.parent / with_home(what)
    folder = normalized(what).strip("/")
    inside = [one for name, one in samples.items() if name.startswith(f"{folder}/")]
    if file.is_file():
        return _by_list(samples, file)
    if not inside:
        raise ValueError(
            f"{path}: splits: {what!r} is neither a text file next to it nor a subfolder with images: correct it, or "
            "give a share such as 0.1"
        )
    return inside


def _by_list(samples: Samples, path: Path) -> list[RawSample]:
    """Return the samples that a text file lists, one name or path per line; # starts a comment."""
    by_last: dict[str, list[str]] = {}
    for name in samples:
        by_last.setdefault(name.rpartition("/")[2], []).append(name)
    folders = {folder for name in samples for folder in name.split("/")[:-1]}
    names: dict[str, str] = {}
    lacking = []
    for text in _lines(path):
        found = _find(text, samples, by_last, folders, path)
        if found is None:
            lacking.append(text)
        elif found in names:
            raise ValueError(f"{path} lists {text} twice: list each image once")
        else:
            names[found] = text
    if not names and not lacking:
        raise ValueError(f"{path} lists no image: write one name per line")
    if lacking:
        images = agreeing(len(lacking), "image that is", "images that are")
        raise ValueError(f"{path} lists {len(lacking)} {images} not there, such as {lacking[0]}: correct it")
    return [samples[name] for name in names]


def _find(text: str, samples: Samples, by_last: Mapping[str, list[str]], folders: set[str], path: Path) -> str | None:
    """Return the sample that a line of a list names, by its path or file name, with or without extension."""
    first = text.split()[0]
    # "image.png label.png", as in some lists, is two names, the image first; "an image.png" is one name.
    one_name = PureWindowsPath(text).suffix.lower() in SUFFIXES and not PureWindowsPath(first).suffix
    for candidate in dict.fromkeys((text,) if one_name else (text, first)):
        parts = PureWindowsPath(candidate).parts  # accepts both kinds of slashes
        for start in range(len(parts)):
            whole = "/".join(parts[start:])
            for name in (whole, whole.rpartition(".")[0]):
                if name in samples:
                    return name
        for last in (parts[-1], parts[-1].rpartition(".")[0]):
            # Existing folders that the line names must be in the sample's path.
            same = [name for name in by_last.get(last, []) if folders.intersection(parts) <= set(name.split("/"))]
            if len(same) > 1:
                raise ValueError(f"{path} lists {text}, which can be {' or '.join(same[:2])}: name the subfolder too")
            if same:
                return same[0]
    return None


def _lines(path: Path) -> list[str]:
    """Return the lines of a text file, without byte order mark, empty lines and comments."""
    lines = (line.strip().strip("\"'") for line in read_text(path).splitlines())
    return [line for line in lines if line and not line.startswith("#")]
