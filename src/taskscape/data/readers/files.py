"""Find the files of a raw data set, and report missing ones."""

import codecs
import unicodedata
import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from taskscape.data.readers.base import RawSample
from taskscape.data.readers.images import SUFFIXES
from taskscape.data.readers.opening import MOST_PIXELS
from taskscape.serialization import agreeing, counted, listed, plain

_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")


def require(raw: Path, wanted: Collection[str], remedy: str) -> None:
    """Raise ``FileNotFoundError`` unless the folder has all files and folders in ``wanted``.

    The message distinguishes a wrong folder, the parent of the right one, and archives that have not been unpacked;
    ``remedy`` tells where the data are available.
    """
    if not raw.is_dir():
        problem = "is a file, not a folder" if raw.exists() else "is not there"
        expected = f": expected a folder with {listed(wanted)}" if wanted else ""
        raise FileNotFoundError(f"{raw} {problem}{expected}. {remedy}")
    missing = [name for name in wanted if not (raw / name).exists()]
    if not missing:
        return
    present = sorted(path.name for path in raw.iterdir())
    message = f"{raw} lacks {listed(missing)}; it holds {listed(present) or 'nothing'}. "
    candidates = [path for path in raw.iterdir() if path.is_dir() and all((path / name).exists() for name in wanted)]
    if candidates:
        message += f"{candidates[0]} holds them: give that folder"
    elif archives := [name for name in present if name.endswith(_ARCHIVES)]:
        message += f"Unpack {listed(archives)} there first"
    else:
        message += remedy
    raise FileNotFoundError(message)


def check_size(size: tuple[int, int]) -> None:
    """Raise ``ValueError`` for a size, (H, W), that is not positive or too large."""
    if min(size) < 1:
        raise ValueError(f"size is {size[0]}x{size[1]}: give a height and a width of at least 1")
    if size[0] * size[1] > MOST_PIXELS:
        raise ValueError(f"size is {size[0]}x{size[1]}: at most {MOST_PIXELS} pixels are possible")


def match_files(
    files: Mapping[str, Mapping[str, Path]], where: str, published: int | None, partial: bool, remedy: str
) -> list[RawSample]:
    """Return the samples that have a file of every kind, sorted by name, and warn about samples left out.

    Args:
        files: Per kind: the files by sample name.
        where: Origin of the files for error messages: a folder, a split.
        published: Number of samples of the complete data set; None if any number is accepted.
        partial: Leave out samples that lack files, and accept a different number from the published one.
        remedy: Where the rest is available.

    Raises:
        ValueError: Files are missing, or there are no samples.
    """
    names = sorted({name for paths in files.values() for name in paths}, key=natural)
    complete = [name for name in names if all(name in paths for paths in files.values())]
    hint = f"download or unpack the rest, or pass --partial to continue without it. {remedy}"
    if not partial:
        for kind, paths in files.items():
            if lacking := [name for name in names if name not in paths]:
                raise ValueError(
                    f"{where}: {len(lacking)} of {len(names)} {kind} files {agreeing(len(lacking), 'is', 'are')} "
                    f"missing, such as {listed(lacking)}: {hint}"
                )
    if not complete and names:
        counts = listed([f"{len(paths)} {kind}" for kind, paths in files.items()])
        raise ValueError(f"{where}: no image has every kind of file ({counts}): download or unpack the rest. {remedy}")
    if not complete or (published is not None and len(complete) != published and not partial):
        expected = f", {published} are published" if published is not None else ""
        raise ValueError(f"{where} has {counted(len(complete), 'image', 'images')}{expected}: {hint}")
    if left_out := sorted(set(names).difference(complete), key=natural):
        kinds = listed([kind for kind, paths in files.items() if left_out[0] not in paths])
        warnings.warn(
            f"{where}: {len(left_out)} of {len(names)} images {agreeing(len(left_out), 'is', 'are')} left out, such "
            f"as {left_out[0]}, which has no {kinds}",
            stacklevel=2,
        )
    return [RawSample(name, {kind: paths[name] for kind, paths in files.items()}) for name in complete]


def stems(folder: Path) -> dict[str, Path]:
    """Return the images and arrays directly in a folder, by name without extension, in Unicode's composed form (NFC).

    The result is empty if the folder does not exist. Raises ``ValueError`` if two files differ only in their extension.
    """
    paths: dict[str, Path] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.suffix.lower() in (*SUFFIXES, ".npy") and not path.name.startswith("."):
            stem = normalized(path.stem)
            if stem in paths:
                raise ValueError(f"{path} and {paths[stem].name} have the same name: keep only one of them")
            paths[stem] = path
    return dict(sorted(paths.items(), key=lambda pair: natural(pair[0])))


def read_text(path: Path) -> str:
    """Return the text of a file in UTF-8, or in UTF-16 with a byte order mark, in Unicode's composed form.

    A byte order mark is removed. Raises ``ValueError`` that names the file if it has another encoding.
    """
    content = path.read_bytes()
    utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return normalized(content.decode("utf-16" if utf16 else "utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text ({error}): save it as UTF-8") from error


def read_json(path: Path) -> Any:
    """Return the content of a JSON file. Raises ``ValueError`` that names the file if it is damaged."""
    try:
        return plain.read_json(path)
    except ValueError as error:
        raise ValueError(f"{error}: download or unpack it again") from error


def find_file(folder: Path, name: str) -> Path | None:
    """Return the file with this name, in any Unicode normalization form and with / or \\; None if there is none.

    Raises ``ValueError`` if the name leads out of the folder.
    """
    with_slashes = name.replace("\\", "/")
    if Path(with_slashes).is_absolute() or ".." in Path(with_slashes).parts:
        raise ValueError(f"the name {name!r} leads out of the folder: write it relative to the folder of the images")
    spellings = (name, normalized(name), with_slashes, normalized(with_slashes))
    forms = dict.fromkeys((*spellings, *(unicodedata.normalize("NFD", spelling) for spelling in spellings)))
    return next((folder / form for form in forms if (folder / form).is_file()), None)


def normalized(name: str) -> str:
    """Return a name in Unicode's composed form, since some systems write ö as two characters."""
    return unicodedata.normalize("NFC", name)


def natural(name: str) -> tuple[int, str]:
    """Return a sort key that places 2 before 10."""
    return (int(name), name) if name.isdecimal() else (-1, name)
