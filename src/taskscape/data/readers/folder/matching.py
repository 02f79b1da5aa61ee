"""Find the files of a folder by the names that images and labels share, and report unused files."""

import os
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from taskscape.data.readers.files import natural, normalized
from taskscape.serialization import counted, listed

_NO_DATA = ("thumbs.db", "desktop.ini", "__macosx", "@eadir", "taskscape.yaml")
"""Names of files that are not data, mostly left by operating systems, in lower case. Names that start with a dot are
ignored too."""


@dataclass
class Matches:
    """The files of a folder."""

    files: dict[str, Path] = field(default_factory=dict)
    """Files by name: the path in the folder without extension and suffix, with /, in Unicode's composed form (NFC)."""
    folders: list[Path] = field(default_factory=list)
    """The folders."""
    unused: dict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))
    """Other files, by the reason why they are not used."""

    @property
    def folder_names(self) -> str:
        """The paths of the folders, for messages."""
        return listed([str(folder) for folder in self.folders])

    def unused_sentences(self) -> list[str]:
        """Return one sentence per reason."""
        return [
            f"{self.folder_names}: {counted(len(paths), 'file is', 'files are')} not used, such as {paths[0].name}: "
            f"{reason}"
            for reason, paths in self.unused.items()
        ]


def find_files(
    folders: Mapping[str, Path], endings: Collection[str], suffix: str = "", other_suffixes: Collection[str] = ()
) -> Matches:
    """Return the files in folders and their subfolders, sorted by name, with numbers by value.

    ``folders`` maps the prefix of the files' names to each folder. ``suffix`` is removed from the end of names; files
    with one of ``other_suffixes`` belong to other fields. Raises ``ValueError`` if two files have the same name.
    """
    suffix, other_suffixes = normalized(suffix), [normalized(other_suffix) for other_suffix in other_suffixes]
    matches = Matches(folders=list(folders.values()))
    paths = ((path, prefix, folder) for prefix, folder in folders.items() for path in files_below(folder))
    for path, prefix, folder in paths:
        ending = path.suffix.lower()
        name = normalized(prefix + path.relative_to(folder).as_posix().removesuffix(path.suffix))
        if not path.exists():
            matches.unused["links to files that do not exist; restore these or remove the links"].append(path)
        elif ending not in endings:
            problem = f"{ending} is not read" if ending else "without an ending"
            matches.unused[f"{problem}, only {', '.join(endings)}: convert such files or move them away"].append(path)
        elif any(name.endswith(other_suffix) for other_suffix in other_suffixes):
            continue
        elif suffix and not name.endswith(suffix):
            matches.unused[without_suffix(suffix)].append(path)
        else:
            key = name.removesuffix(suffix)
            if key in matches.files:
                raise ValueError(
                    f"{path} and {matches.files[key].name} have the same name: keep only one of them, or if one is a "
                    "label, move the labels to a folder of their own"
                )
            matches.files[key] = path
    matches.files = dict(sorted(matches.files.items(), key=lambda pair: _sort_key(pair[0])))
    return matches


def without_suffix(suffix: str) -> str:
    """Return the reason why a file whose name lacks a suffix is not used."""
    return f"without {normalized(suffix)} at the end of the name, which suffix requires"


def subfolders(folder: Path) -> list[Path]:
    """Return the folders in a folder, sorted, except hidden and system folders and links."""
    return sorted(
        Path(entry.path) for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False) and _is_data(entry.name)
    )


def files_below(folder: Path) -> Iterator[Path]:
    """Yield all files in a folder and its subfolders, sorted, except hidden and system files; links are followed.

    Broken links are included; a link to one of its own parent folders is not followed. Raises ``OSError`` if a folder
    cannot be read.
    """
    yield from _walk(folder, frozenset(map(str, Path(os.path.realpath(folder)).parents)))


def _walk(folder: Path, parents: frozenset[str]) -> Iterator[Path]:
    """Yield all files, following links except those to one of the folders ``parents``."""
    real = os.path.realpath(folder)
    if real in parents:
        return
    for path in sorted(folder.iterdir()):
        if not _is_data(path.name):
            continue
        if path.is_dir():
            yield from _walk(path, parents | {real})
        else:
            yield path


def _is_data(name: str) -> bool:
    return not name.startswith(".") and name.lower() not in _NO_DATA


def _sort_key(name: str) -> tuple[str, tuple[int, str]]:
    folder, _, last = name.rpartition("/")
    return folder, natural(last)
