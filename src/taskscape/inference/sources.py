"""Find images and videos in paths and folders, and name their predictions."""

import os
import warnings
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from taskscape.data.readers.folder.matching import files_below
from taskscape.data.readers.images import SUFFIXES
from taskscape.inference.checks import require_images

VIDEOS = (
    ".264", ".265", ".3gp", ".avi", ".flv", ".h264", ".h265", ".hevc", ".m2ts", ".m4v", ".mjpeg", ".mkv", ".mov",
    ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".ts", ".vob", ".webm", ".wmv", ".y4m",
)  # fmt: skip
"""Suffixes of video files, in lower case."""


def name_images(images: Iterable[Path], out: Path) -> dict[str, Path]:
    """Return the images by the names of their predictions: their paths relative to the folder that they share.

    Links keep their own names. Names that differ only in the suffix, or also in upper and lower case, keep the suffix.
    Files in ``out`` are not taken from folders; other files in folders, empty folders, and images that differ only in
    case, cause a warning. A file that is named directly may have any suffix. Raises ``ValueError`` for a path that does
    not exist, for a folder inside ``out``, or if there is no image.
    """
    images = tuple(images)
    require_images(images)
    files: dict[Path, None] = {}  # an ordered set
    empty: list[Path] = []
    for path in images:
        if path.is_dir():
            contents = _files_in(path, out)
            files |= dict.fromkeys(_absolute(p) for p in contents if p.suffix.lower() in SUFFIXES and p.exists())
            others = [p for p in contents if p.suffix.lower() not in (*SUFFIXES, *VIDEOS) or not p.exists()]
            if not contents:
                empty.append(path)
            if others:
                left_out = (
                    f"{others[0].name} is left out"
                    if len(others) == 1
                    else f"{len(others)} files are left out, such as {others[0].name}"
                )
                warnings.warn(
                    f"{path}: {left_out}: only {', '.join(SUFFIXES)} are taken from folders, and no broken links",
                    stacklevel=2,
                )
        else:
            files[_absolute(path)] = None
    if not files:
        raise _no_image(images)
    if empty:
        warnings.warn(f"there is no image in {', '.join(map(str, empty))}", stacklevel=2)
    shared = Path(os.path.commonpath([file.parent for file in files]))
    full_names = [file.relative_to(shared).as_posix() for file in files]
    short_names = [file.relative_to(shared).with_suffix("").as_posix() for file in files]
    counts = Counter(name.casefold() for name in short_names)
    names = [
        short_name if counts[short_name.casefold()] == 1 else full_name
        for short_name, full_name in zip(short_names, full_names, strict=True)
    ]
    if len(set(names)) < len(names):  # of a.png, a.jpg and a.png.jpg
        names = full_names
    if alike := [name for name, count in Counter(map(str.casefold, names)).items() if count > 1]:
        first, second, *_ = (name for name in names if name.casefold() == alike[0])
        warnings.warn(
            f"{first} and {second} differ only in case: where file systems ignore case, as on macOS and Windows, the "
            "predictions of one replace those of the other; rename it",
            stacklevel=2,
        )
    return dict(zip(names, files, strict=True))


def _no_image(paths: Iterable[Path]) -> ValueError:
    return ValueError(f"there is no image in {', '.join(map(str, paths)) or 'an empty list'}: name some")


def require_kept(
    sources: Mapping[str, Path], out: Path, endings: Collection[str], folders: Collection[str] = ()
) -> None:
    """Raise ``ValueError`` if a prediction for one source, written to ``out``, could replace a source.

    ``endings`` are appended to the names of sources to form the names of predictions, such as ``depth.png``;
    ``folders`` of ``out`` have predictions with the names of the sources.
    """
    folder = _absolute(out)
    for file in sources.values():
        for name in folders:
            if file.is_relative_to(folder / name):
                raise ValueError(
                    f"{file} could be replaced by a prediction, since {name} is a folder of them: choose another "
                    "folder with --out"
                )
        parts = file.relative_to(folder).as_posix().split(".") if file.is_relative_to(folder) else []
        for number in range(1, len(parts)):
            other = sources.get(".".join(parts[:number]))
            if other is not None and ".".join(parts[number:]) in endings:
                raise ValueError(
                    f"{file} would be replaced by the prediction for {other.name}: leave it out, or choose another "
                    "folder with --out"
                )


def videos_among(paths: Iterable[Path], out: Path) -> tuple[list[Path], list[Path]]:
    """Return the videos among paths and in folders, and the remaining paths, which may have images.

    A folder remains unless it has videos and no images. Files in ``out`` are not taken from folders. Raises
    ``ValueError`` for a folder inside ``out``, and for paths that are folders without images and videos.
    """
    paths, videos, others = list(paths), list[Path](), list[Path]()
    found = not paths
    for path in paths:
        if path.is_dir():
            contents = _files_in(path, out)
            folder_videos = [p for p in contents if p.suffix.lower() in VIDEOS and p.exists()]
            videos += folder_videos
            has_images = any(p.suffix.lower() in SUFFIXES and p.exists() for p in contents)
            found = found or bool(folder_videos) or has_images
            if not folder_videos or has_images:
                others.append(path)
        else:
            found = True
            (videos if path.suffix.lower() in VIDEOS else others).append(path)
    if not found:
        raise _no_image(paths)
    return videos, others


def require_outside(folder: Path, out: Path) -> None:
    """Raise ``ValueError`` if a folder with images is inside ``out``."""
    if folder.resolve().is_relative_to(out.resolve()):
        raise ValueError(
            f"{folder} is inside {out}, where predictions are written and which is not searched for images: choose "
            "another folder with --out, or name the images one by one"
        )


def _files_in(folder: Path, out: Path) -> list[Path]:
    """Return the files of a folder, without those in ``out``. Raises ``ValueError`` if the folder is inside ``out``."""
    require_outside(folder, out)
    real_out = Path(os.path.realpath(out))  # unlike resolve(), realpath() accepts links to themselves
    return [path for path in files_below(folder) if not Path(os.path.realpath(path)).is_relative_to(real_out)]


def _absolute(path: Path) -> Path:
    """Return the absolute path of a file without following links."""
    return Path(os.path.normpath(path.absolute()))
