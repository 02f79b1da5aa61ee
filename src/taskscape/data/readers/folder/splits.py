"""Which samples of a folder belong to which split."""

from collections.abc import Mapping
from pathlib import Path

from taskscape.data.readers.base import RawSample

Key = tuple[str, str]
"""Subfolder, or the empty string, and name of an image."""
Samples = Mapping[Key, RawSample]


def split_up(samples: Samples, wanted: Mapping[str, float | str] | None, path: Path) -> dict[str, list[RawSample]]:
    """Return the samples of each split; ``path`` is that of the description, which says what is wanted.

    Raises ``ValueError`` where a split is empty or an image in two of them.
    """
    subfolders = list(dict.fromkeys(folder for folder, _ in samples))
    if wanted is None and "" not in subfolders:
        return {split: [one for (folder, _), one in samples.items() if folder == split] for split in subfolders}
    if len(subfolders) > 1:
        raise ValueError(
            f"{path}: images lie in {[folder or '.' for folder in subfolders]}: leave splits out, or use no subfolders"
        )
    wanted = wanted or {"train": 0.9, "val": 0.1}
    numbers = {split: what for split, what in wanted.items() if not isinstance(what, str)}
    splits = _by_number(list(samples.values()), numbers, path) | {
        split: _by_list(samples, path.parent / what) for split, what in wanted.items() if isinstance(what, str)
    }
    if empty := [split for split in wanted if not splits[split]]:
        raise ValueError(f"{path}: split {empty[0]} gets none of {len(samples)} images: give it more")
    if sum(map(len, splits.values())) > len({one.name for some in splits.values() for one in some}):
        raise ValueError(f"{path}: an image is in two splits: list each once, or use numbers for all splits")
    return {split: splits[split] for split in wanted}


def _by_number(samples: list[RawSample], numbers: Mapping[str, float], path: Path) -> dict[str, list[RawSample]]:
    """Cut the samples, in order, into splits of these shares, if all are at most 1, or counts."""
    shares = max(numbers.values(), default=0) <= 1
    scale = len(samples) if shares else 1
    if not shares and sum(numbers.values()) > len(samples):
        asked = sum(numbers.values())
        raise ValueError(f"{path}: splits ask for {asked:g} images, there are {len(samples)}: ask for fewer")
    splits, end = {}, 0.0
    for split, number in numbers.items():
        # Cut where the sums of the shares fall, so that the last gets what rounding leaves.
        start, end = end, end + number * scale
        splits[split] = samples[int(start + 1e-6) : int(end + 1e-6)]
    return splits


def _by_list(samples: Samples, path: Path) -> list[RawSample]:
    """Return the samples that a text file lists, a name a line."""
    by_name = {name: one for (_, name), one in samples.items()}
    names = [Path(line.strip()).stem for line in path.read_text().splitlines() if line.strip()]
    if lacking := [name for name in names if name not in by_name]:
        raise ValueError(f"{path} lists {len(lacking)} images that are not there, such as {lacking[0]}: correct it")
    return [by_name[name] for name in names]
