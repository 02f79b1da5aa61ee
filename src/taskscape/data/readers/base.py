"""What every raw data set is, and how its files are found, read and brought to one size."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from taskscape.batch import Sample
from taskscape.modalities.fields import Array, Mask
from taskscape.modalities.class_sets import ClassSet

_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")
_IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".npy")


@dataclass(frozen=True)
class Item:
    """One image and its labels, as files."""

    name: str
    files: Mapping[str, Path] = field(default_factory=dict)
    """By what they hold."""


@dataclass(frozen=True)
class Contents:
    """What a raw folder was found to hold."""

    size: tuple[int, int]
    """(H, W) that every image is brought to."""
    splits: Mapping[str, Sequence[Item]]
    tasks: tuple[str, ...]
    class_set: ClassSet | None
    source: dict[str, Any]
    """Units, conversions and every decision, for the manifest: values that JSON can hold."""
    read: Callable[[Item], Sample]
    """Reads one item; other processes call it too, so it is a function of a module or a ``partial`` of one."""
    archives: tuple[Path, ...] = ()
    """Files that hold many items."""


class RawData(ABC):
    """A raw data set, as it comes from where it is published. A frozen dataclass of plain settings."""

    name: ClassVar[str]
    """The name on the command line."""

    @abstractmethod
    def contents(self, raw: Path) -> Contents:
        """Look through the raw folder without reading images.

        Raises ``FileNotFoundError`` or ``ValueError`` that name what was looked for, what was found and the remedy.
        """


def require(raw: Path, wanted: Collection[str], where: str) -> None:
    """Raise ``FileNotFoundError`` unless the folder holds all that is wanted.

    The error tells apart a wrong folder, one that lies above the right one, and archives that were not unpacked;
    ``where`` says where the data are to be had.
    """
    if not raw.is_dir():
        what = "is a file, and the folder that holds the data is needed" if raw.exists() else "is not there"
        raise FileNotFoundError(f"{raw} {what}: looked for a folder with {_listed(wanted)}. {where}")
    missing = [name for name in wanted if not (raw / name).exists()]
    if not missing:
        return
    found = sorted(path.name for path in raw.iterdir())
    message = f"{raw} lacks {_listed(missing)}; it holds {_listed(found) or 'nothing'}. "
    inner = [path for path in raw.iterdir() if path.is_dir() and all((path / name).exists() for name in wanted)]
    if inner:
        message += f"{inner[0]} holds them: give that folder"
    elif archives := [name for name in found if name.endswith(_ARCHIVES)]:
        message += f"Unpack {_listed(archives)} there first"
    else:
        message += where
    raise FileNotFoundError(message)


def require_all(names: Mapping[str, Collection[str]], remedy: str) -> list[str]:
    """Return the names in order if every kind of file has them all. Raises ``ValueError`` where one lacks some."""
    union = sorted(set().union(*names.values()), key=_natural)
    for kind, some in names.items():
        if lacking := [name for name in union if name not in set(some)]:
            raise ValueError(f"{len(lacking)} of {len(union)} {kind} are missing, such as {_listed(lacking)}: {remedy}")
    return union


def stems(folder: Path) -> dict[str, Path]:
    """Return the images and arrays right in a folder by name without ending; nothing where there is no folder.

    Raises ``ValueError`` where two files differ in their ending alone.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.suffix.lower() in _IMAGES and not path.name.startswith("."):
            if path.stem in found:
                raise ValueError(f"{path} and {found[path.stem].name} have one name: leave one of them")
            found[path.stem] = path
    return dict(sorted(found.items(), key=lambda pair: _natural(pair[0])))


def resized(label: Array, size: tuple[int, int]) -> Array:
    """Return a label (H, W, …) at another size; every pixel takes the nearest, so that nothing is mixed."""
    rows, columns = ((np.arange(new) + 0.5) * old / new for new, old in zip(size, label.shape[:2], strict=True))
    nearest: Array = label[rows.astype(np.intp)[:, None], columns.astype(np.intp)]
    return nearest


def read_label(path: Path, size: tuple[int, int] | None = None) -> Array:
    """Return a label image or array, (H, W) or (H, W, C), as it is stored; of a palette image the indices."""
    if path.suffix == ".npy":
        label = read_array(path)
    else:
        with opened(path) as image:
            label = np.asarray(image)
    return label if size is None else resized(label, size)


def read_array(path: Path) -> Array:
    """Return the array of an ``.npy`` file. Raises ``ValueError`` that names a damaged one."""
    try:
        array: Array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path} is damaged or not an array ({error}): download or unpack it again") from error
    return array


def read_grey(path: Path, bits: int, size: tuple[int, int], what: str) -> Array:
    """Return a grey image of 8 or 16 bits, (H, W). Raises ``ValueError`` for any other; ``what`` says what belongs."""
    with opened(path) as image:
        depth = {"1": 1, "L": 8, "P": 8, "I;16": 16, "I;16B": 16, "I": 16}.get(image.mode)
        if depth != bits:
            found = f"{depth}-bit" if depth else f"a {image.mode}"
            raise ValueError(f"{path} is {found} image where {bits} bits of {what} belong: download it again unchanged")
        return resized(np.asarray(image), size)


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """Open an image. Raises ``ValueError`` that names a damaged one."""
    try:
        with Image.open(path) as image:
            image.load()
            yield image
    except (OSError, SyntaxError) as error:  # Pillow raises both for damaged files
        if isinstance(error, FileNotFoundError | PermissionError):
            raise
        raise ValueError(f"{path} is damaged or not an image ({error}): download or unpack it again") from error


def read_json(path: Path) -> Any:
    """Return the content of a JSON file. Raises ``ValueError`` that names a damaged one."""
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path} is not readable JSON ({error}): download or unpack it again") from error


def unit_vectors(vectors: Array) -> tuple[Array, Mask]:
    """Return (H, W, 3) vectors at unit length, and which were long enough, half of it, to have a direction."""
    length = np.linalg.norm(vectors.astype(np.float32), axis=-1)
    valid = np.isfinite(length) & (length > 0.5)
    unit = vectors / np.where(valid, length, 1.0)[..., None]
    return np.where(valid[..., None], unit, 0).astype(np.float32), valid


def _natural(name: str) -> tuple[int, str]:
    """Sort 2 before 10."""
    return (int(name), name) if name.isdecimal() else (-1, name)


def _listed(names: Collection[str], most: int = 5) -> str:
    some = list(names)[:most]
    return ", ".join(some) + (f" and {len(names) - most} more" if len(names) > most else "")
