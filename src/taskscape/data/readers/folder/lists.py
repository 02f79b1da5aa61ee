"""Find the samples that a text, CSV or JSON file lists."""

import csv
import io
import re
from collections.abc import Mapping, Set
from pathlib import Path, PureWindowsPath

from taskscape.data.readers.base import RawSample
from taskscape.data.readers.files import normalized, read_json, read_text
from taskscape.data.readers.images import SUFFIXES
from taskscape.serialization import counted

_HEADER = re.compile(r"[^\d./\\]*(image|img|file|name|path|id|frame|photo|rgb)[^\d./\\]*", re.IGNORECASE)
"""A first row of a CSV file that names its column rather than an image."""


def samples_listed(samples: Mapping[str, RawSample], path: Path) -> list[RawSample]:
    """Return the samples that a text file lists: one name or path per line, or per row of a CSV file, or a JSON list.

    A line that starts with # is a comment, unless an image or a folder has such a name. The first row of a CSV file can
    be its header, such as image or file name.
    """
    by_file_name: dict[str, list[str]] = {}
    for name, sample in samples.items():
        for file_name in {name.rpartition("/")[2], normalized(sample.files["image"].stem)}:  # without and with suffix
            by_file_name.setdefault(file_name, []).append(name)
    folders = {folder for name in samples for folder in name.split("/")[:-1]}
    found: dict[str, RawSample] = {}
    missing = []
    entries = _entries(path, by_file_name.keys() | folders)
    for text in entries:
        listed_name = _find_sample(text, samples, by_file_name, folders, path)
        if listed_name is None:
            missing.append(text)
        elif listed_name in found:
            raise ValueError(f"{path} lists {text} twice: list each image once")
        else:
            found[listed_name] = samples[listed_name]
    if path.suffix.lower() == ".csv" and len(entries) > 1 and missing == entries[:1] and _HEADER.fullmatch(entries[0]):
        missing = []
    if not found and not missing:
        raise ValueError(f"{path} lists no image: write one name per line")
    if missing:
        images = counted(len(missing), "image that is", "images that are")
        columns = "separate columns with commas, in a file that ends in .csv" if set(missing[0]) & {",", ";"} else ""
        raise ValueError(f"{path} lists {images} not there, such as {missing[0]}: {columns or 'correct it'}")
    return list(found.values())


def _find_sample(
    text: str, samples: Mapping[str, RawSample], by_file_name: Mapping[str, list[str]], folders: set[str], path: Path
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


def _is_comment(text: str, names: Set[str]) -> bool:
    """Return whether an entry is a comment, and does not begin with one of the names of images and folders."""
    if not text.startswith("#"):
        return False
    first_name = PureWindowsPath(text.split()[0]).parts[0]
    return not {first_name, first_name.rpartition(".")[0]} & names


def _entries(path: Path, names: Set[str]) -> list[str]:
    """Return what a file lists, without comments; ``names`` are those of images and folders.

    Raises ``ValueError`` that names the file.
    """
    if path.suffix.lower() == ".csv":
        try:
            rows = list(csv.reader(io.StringIO(read_text(path), newline=None)))  # None: any kind of line ends
        except csv.Error as error:
            raise ValueError(f"{path} is not a CSV file ({error}): write one name per line") from error
        if rows and len(rows[0]) > 1 and not rows[0][0].strip():
            raise ValueError(
                f"{path} has a first column without a header, such as the numbers of rows: write names in the first "
                "column, with index=False in pandas"
            )
        return [row[0].strip() for row in rows if row and row[0].strip() and not _is_comment(row[0].strip(), names)]
    if path.suffix.lower() == ".json":
        content = read_json(path)
        if not (isinstance(content, list) and all(isinstance(name, str) and name.strip() for name in content)):
            raise ValueError(f'{path} is not a list of names, such as ["a.png", "b.png"]: write one file per split')
        return [normalized(name).strip() for name in content]
    lines = (line.strip().strip("\"'") for line in read_text(path).splitlines())
    return [line for line in lines if line and not _is_comment(line, names)]
