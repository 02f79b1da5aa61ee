"""Find the files of a folder by the names that images and labels share, and report unused files."""

import os
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from taskscape.data.readers.files import natural, normalized
from taskscape.serialization import counted, listed

_NO_DATA = ("thumbs.db", "desktop.ini", "__macosx", "taskscape.yaml")
"""Names of files that are not data, mostly left by operating systems, in lower case. Names that start with a dot are
ignored too."""


@dataclass
class Found:
    """The files of a folder."""

    files: dict[str, Path] = field(default_factory=dict)
    """Files by name: the path in the folder without extension and suffix, with /, in Unicode's composed form (NFC)."""
    places: list[Path] = field(default_factory=list)
    """The folders."""
    unused: dict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))
    """Other files, by the reason why they are not used."""

    def unused_sentences(self) -> list[str]:
        """Return one sentence per reason."""
        where = listed([str(place) for place in self.places])
        return [
            f"{where}: {counted(len(paths), 'file is', 'files are')} not used, such as {paths[0].name}: {reason}"
            for reason, paths in self.unused.items()
        ]


def find_files(
    places: Mapping[str, Path], endings: Collection[str], suffix: str = "", other_suffixes: Collection[str] = ()
) -> Found:
    """Return the files in folders and their subfolders, sorted by name, with numbers by value.

    ``places`` are the folders, by the prefix of their files' names. ``suffix`` is removed from the end of names; files
    with one of ``other_suffixes`` belong to other fields. Raises ``ValueError`` if two files have the same name.
    """
    suffix, other_suffixes = normalized(suffix), [normalized(other) for other in other_suffixes]
    found = Found(places=list(places.values()))
    inside = ((path, prefix + _relative(path, top)) for prefix, top in places.items() for path in files_below(top))
    for path, inner in inside:
        ending = path.suffix.lower()
        name = normalized(inner.removesuffix(path.suffix))
        if not path.exists():
            found.unused["links to files that do not exist; restore these or remove the links"].append(path)
        elif ending not in endings:
            what = f"{ending} is not read" if ending else "without an ending"
            found.unused[f"{what}, only {', '.join(endings)}: convert such files or move them away"].append(path)
        elif any(name.endswith(other) for other in other_suffixes):
            continue
        elif suffix and not name.endswith(suffix):
            found.unused[f"without {suffix} at the end of the name, which suffix requires"].append(path)
        else:
            key = name.removesuffix(suffix)
            if key in found.files:
                raise ValueError(f"{path} and {found.files[key].name} have the same name: keep only one of them")
            found.files[key] = path
    found.files = dict(sorted(found.files.items(), key=lambda pair: _order(pair[0])))
    return found


def files_below(folder: Path) -> Iterator[Path]:
    """Yield all files in a folder and its subfolders, sorted, except hidden and system files; links are followed.

    Broken links are included; a link to one of its own parent folders is not followed. Raises ``OSError`` if a folder
    cannot be read.
    """
    yield from _walk(folder, frozenset(map(str, Path(os.path.realpath(folder)).parents)))


def _walk(folder: Path, above: frozenset[str]) -> Iterator[Path]:
    """Yield all files, following links except those to one of the folders ``above``."""
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
