"""Finds the files of a folder by the names that images and labels share, and says which are not used."""

import os
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from taskscape.data.readers.files import natural, normalized
from taskscape.serialization import agreeing, listed

_NO_DATA = ("thumbs.db", "desktop.ini", "__macosx", "taskscape.yaml")
"""What is no data, and is left by systems, in lower case; so are names that start with a dot."""


@dataclass
class Found:
    """The files of a folder."""

    files: dict[str, Path] = field(default_factory=dict)
    """By name: the path in the folder without ending and suffix, with / and in Unicode's composed form (NFC)."""
    places: list[Path] = field(default_factory=list)
    """The folders."""
    unused: dict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))
    """The others, by the reason."""

    def unused_sentences(self) -> list[str]:
        """Return a sentence per reason."""
        where = listed([str(place) for place in self.places])
        return [
            f"{where}: {len(paths)} {agreeing(len(paths), 'file is', 'files are')} not used, such as {paths[0].name}: "
            f"{reason}"
            for reason, paths in self.unused.items()
        ]


def find_files(
    places: Mapping[str, Path], endings: Collection[str], suffix: str = "", other_suffixes: Collection[str] = ()
) -> Found:
    """Return the files in folders and their subfolders, in the order of their names, numbers by value.

    ``places`` are the folders by what the names of their files begin with. ``suffix`` is what names have at their end
    besides; files with one of ``other_suffixes`` belong to others. Raises ``ValueError`` where two files have one name.
    """
    suffix, other_suffixes = normalized(suffix), [normalized(other) for other in other_suffixes]
    found = Found(places=list(places.values()))
    inside = ((path, prefix + _relative(path, top)) for prefix, top in places.items() for path in files_below(top))
    for path, inner in inside:
        ending = path.suffix.lower()
        name = normalized(inner.removesuffix(path.suffix))
        if not path.exists():
            found.unused["links to files that are not there; bring these back or remove the links"].append(path)
        elif ending not in endings:
            what = f"{ending} is not read" if ending else "without an ending"
            found.unused[f"{what}, only {', '.join(endings)}: convert such files or move them away"].append(path)
        elif any(name.endswith(other) for other in other_suffixes):
            continue
        elif suffix and not name.endswith(suffix):
            found.unused[f"without {suffix} at the end of the name, as suffix says"].append(path)
        else:
            key = name.removesuffix(suffix)
            if key in found.files:
                raise ValueError(f"{path} and {found.files[key].name} have one name: leave one of them")
            found.files[key] = path
    found.files = dict(sorted(found.files.items(), key=lambda pair: _order(pair[0])))
    return found


def files_below(folder: Path) -> Iterator[Path]:
    """Return all files in a folder and its subfolders, also behind links, in order; nothing hidden or left by systems.

    A link to nothing is among them; one to a folder that it lies in is not followed. Raises ``OSError`` for a folder
    that cannot be read.
    """
    yield from _walk(folder, frozenset(map(str, Path(os.path.realpath(folder)).parents)))


def _walk(folder: Path, above: frozenset[str]) -> Iterator[Path]:
    """Return all files, also behind links, unless these lead to one of the folders ``above``."""
    real = os.path.realpath(folder)
    if real in above:
        return
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name.lower() in _NO_DATA:
            continue
        if path.is_dir():
            yield from _walk(path, above | {real})
        else:
            yield path


def _relative(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _order(name: str) -> tuple[str, tuple[int, str]]:
    folder, _, last = name.rpartition("/")
    return folder, natural(last)
