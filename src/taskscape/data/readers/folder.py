"""A folder of one's own: images, and any of semseg, depth, normals, matched by name.

The raw folder holds::

    taskscape.yaml         what the labels mean, see below; it may lie elsewhere
    images/NAME.jpg        any format that Pillow reads
    semseg/NAME.png        8 or 16 bits or a palette: ids; RGB: the colours of the palette; or .npy
    depth/NAME.png         8 or 16 bits, or .npy, (H, W) or (H, W, 1)
    normals/NAME.png       RGB with n = v / 255 · 2 - 1; or .npy with the vectors, (H, W, 3)

or the same with the split between: ``images/train/NAME.jpg``, ``semseg/train/NAME.png``. An image without a label of a
task has no valid pixel of it; a task without a section in the YAML file is left out. All fields of the file::

    images: images                  # the folder; this is the default
    splits: {train: 0.9, val: 0.1}  # without this line: the subfolders of images/, or the last tenth for val
    semseg:
      folder: semseg                # in the other sections too
      classes: {1: bed, 2: books}   # name by id in the files; or a list, from 0; or a class set such as nyuv2-13
      palette: [[255, 187, 120], [148, 103, 189]]   # RGB in the order of the classes; may be left out
      void: [0, 255]                # ids without a class; an id that is neither is an error
    depth:
      unit: millimetre              # metre, centimetre, millimetre, a number of metres per step, or unknown
      inverse: false                # true where the files hold 1/depth; the unit is then that of 1/value
      invalid: [0]                  # values without a depth; NaN, infinity and what is not above 0 never have one
    normals:
      axes: [x, y, z]               # the stored components in the order right, down, forward; -y where y is up

A split is a share of the images (all numbers below or at 1), a number of images, or a text file with a name a line.
Shares and numbers are taken in the order of the names, so that neighbours stay together.

Depth of unit ``unknown`` is proportional to metres within an image only. It is kept with the median of every image at
1, and only scale-invariant and median-scaled metrics mean anything.
"""

import colorsys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import cattrs
import numpy as np
import yaml

from taskscape.batch import Sample
from taskscape.modalities.fields import Array, Mask
from taskscape.data.readers.normals_from_depth import Axes
from taskscape.data.readers.base import (
    Contents,
    Item,
    RawData,
    read_label,
    require,
    stems,
    unit_vectors,
)
from taskscape.data.readers.images import read_image, size_of
from taskscape.modalities.class_sets import CLASS_SETS, VOID, ClassSet

DESCRIPTION = "taskscape.yaml"
_METRES = {"metre": 1.0, "centimetre": 0.01, "millimetre": 0.001, "unknown": 1.0}


@dataclass(frozen=True)
class Semseg:
    """The section ``semseg``."""

    classes: dict[int, str] | list[str] | str
    folder: str = "semseg"
    palette: list[tuple[int, int, int]] | None = None
    void: list[int] = field(default_factory=lambda: [255])

    def ids(self) -> list[int]:
        """Return the id in the files of each class."""
        return list(self.classes) if isinstance(self.classes, dict) else list(range(len(self.class_set())))

    def class_set(self) -> ClassSet:
        """Return the classes in the order of the file. Raises ``ValueError`` where names and colours disagree."""
        if isinstance(self.classes, str):
            if self.classes not in CLASS_SETS:
                raise ValueError(
                    f"semseg.classes: there is no class set {self.classes!r}, choose of {list(CLASS_SETS)}"
                )
            return CLASS_SETS[self.classes]
        names = tuple(self.classes.values() if isinstance(self.classes, dict) else self.classes)
        if not 0 < len(names) < VOID:
            raise ValueError(f"semseg.classes has {len(names)} classes: 1 … {VOID - 1} are possible")
        for known in CLASS_SETS.values():
            if known.classes == names and self.palette is None:
                return known
        return ClassSet("own", names, tuple(self.palette or map(_colour, range(len(names)))))


@dataclass(frozen=True)
class Depth:
    """The section ``depth``."""

    unit: float | str
    folder: str = "depth"
    inverse: bool = False
    invalid: list[float] = field(default_factory=lambda: [0.0])

    def metres(self) -> float:
        """Return the metres of one step. Raises ``ValueError`` unless they are positive."""
        step = _METRES.get(self.unit, 0.0) if isinstance(self.unit, str) else self.unit
        if not step > 0:
            raise ValueError(
                f"depth.unit is {self.unit!r}: give metre, centimetre, millimetre, unknown or a positive number"
            )
        return step


@dataclass(frozen=True)
class Normals:
    """The section ``normals``."""

    folder: str = "normals"
    axes: tuple[str, str, str] = ("x", "y", "z")

    def order(self) -> Axes:
        """Return the axes. Raises ``ValueError`` unless each of x, y, z occurs once."""
        letters = [name.removeprefix("-") for name in self.axes]
        if sorted(letters) != ["x", "y", "z"]:
            raise ValueError(f"normals.axes is {list(self.axes)}: name x, y and z once each, with a minus where turned")
        a, b, c = ("xyz".index(letter) for letter in letters)
        p, q, r = (-1 if name.startswith("-") else 1 for name in self.axes)
        return Axes((a, b, c), (p, q, r))


@dataclass(frozen=True)
class Description:
    """What the labels of a folder mean: the content of ``taskscape.yaml``."""

    images: str = "images"
    splits: dict[str, float | str] | None = None
    semseg: Semseg | None = None
    depth: Depth | None = None
    normals: Normals | None = None

    @classmethod
    def load(cls, path: Path) -> "Description":
        """Read a description. Raises ``FileNotFoundError`` or ``ValueError`` that name the file and the field."""
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} is not there: it says what the labels mean; write one as docs/data.md shows, or name it with "
                "--description"
            )
        converter = cattrs.Converter(forbid_extra_keys=True)
        converter.register_structure_hook(dict[int, str] | list[str] | str, lambda value, _: _classes(value))
        converter.register_structure_hook(float | str, lambda value, _: value)
        try:
            found = converter.structure(yaml.safe_load(path.read_text()) or {}, cls)
            for check in (found.semseg and found.semseg.class_set, found.depth and found.depth.metres):
                if check:
                    check()
            if found.normals:
                found.normals.order()
        except yaml.YAMLError as error:
            raise ValueError(f"{path} is not YAML: {error}") from error
        except Exception as error:  # cattrs raises groups of whatever went wrong
            problems = "; ".join(cattrs.transform_error(error)) if isinstance(error, ExceptionGroup) else str(error)
            raise ValueError(f"{path}: {problems}") from error
        return found

    def sections(self) -> dict[str, Semseg | Depth | Normals]:
        """Return the sections that are there, by task."""
        sections = {"semseg": self.semseg, "depth": self.depth, "normals": self.normals}
        return {task: section for task, section in sections.items() if section is not None}


@dataclass(frozen=True)
class OwnFolder(RawData):
    """A folder of one's own: images, any of semseg, depth, normals, and a taskscape.yaml that says what they mean."""

    name: ClassVar[str] = "folder"

    description: Path | None = None
    """The YAML file; by default taskscape.yaml in the folder."""
    size: tuple[int, int] | None = None
    """Height and width of the store's images; by default those of the first."""

    def contents(self, raw: Path) -> Contents:
        """Read the description and match the names."""
        require(raw, (), "Give the folder of your images and labels.")
        path = self.description or raw / DESCRIPTION
        description = Description.load(path)
        sections = description.sections()
        if not sections:
            raise ValueError(f"{path} describes no labels: give it a section semseg, depth or normals")
        folders = {"images": description.images, **{task: section.folder for task, section in sections.items()}}
        require(raw, list(folders.values()), f"Make them, or name others in {path}")
        files = {kind: _by_split(raw / folder) for kind, folder in folders.items()}
        images = files.pop("images")
        for task, labels in files.items():
            if stray := sorted(labels.keys() - images.keys()):
                raise ValueError(
                    f"{len(stray)} files of {folders[task]}/ have no image in {description.images}/, such as "
                    f"{'/'.join(filter(None, stray[0]))}: remove them, or give them the name of their image"
                )
            if not labels:
                raise ValueError(f"{raw / folders[task]} holds no labels: fill it, or remove {task} from {path}")
        items = {
            key: Item(
                "/".join(filter(None, key)),
                {"images": image, **{task: labels[key] for task, labels in files.items() if key in labels}},
            )
            for key, image in images.items()
        }
        if not items:
            raise ValueError(f"{raw / description.images} holds no images: fill it, or name another in {path}")
        size = self.size or size_of(next(iter(images.values())))
        unlabelled = {task: len(images) - len(labels) for task, labels in files.items()}
        source: dict[str, Any] = {
            "description": cattrs.unstructure(description),
            "images without": unlabelled,
            **({"depth": _about(description.depth)} if description.depth else {}),
        }
        return Contents(
            size=size,
            splits=_splits(items, description.splits, path),
            tasks=tuple(sections),
            class_set=description.semseg.class_set() if description.semseg else None,
            source=source,
            read=partial(_read, description=description, size=size),
        )


def _classes(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {int(key): str(name) for key, name in value.items()}
    return [str(name) for name in value] if isinstance(value, Sequence) and not isinstance(value, str) else str(value)


def _colour(index: int) -> tuple[int, int, int]:
    """Return colours that stay apart: hues a golden section from each other."""
    r, g, b = colorsys.hsv_to_rgb(index * 0.618034 % 1, (0.65, 0.9)[index % 2], (0.9, 0.7)[index // 2 % 2])
    return round(255 * r), round(255 * g), round(255 * b)


def _about(depth: Depth) -> dict[str, Any]:
    if depth.unit == "unknown":
        return {"unit": "unknown", "formula": "proportional within an image; the median of every image is 1"}
    return {"unit": "metre", "formula": f"{depth.metres():g} {'/' if depth.inverse else '*'} value"}


def _by_split(folder: Path) -> dict[tuple[str, str], Path]:
    """Return the files by (subfolder, name); the subfolder of those right in the folder is the empty string."""
    found = {("", name): path for name, path in stems(folder).items()}
    for inner in sorted(path for path in folder.iterdir() if path.is_dir()):
        found |= {(inner.name, name): path for name, path in stems(inner).items()}
    return found


def _splits(
    items: Mapping[tuple[str, str], Item], wanted: Mapping[str, float | str] | None, path: Path
) -> dict[str, list[Item]]:
    subfolders = dict.fromkeys(folder for folder, _ in items)
    if wanted is None and "" not in subfolders:
        return {split: [item for (folder, _), item in items.items() if folder == split] for split in subfolders}
    if len(subfolders) > 1:
        raise ValueError(
            f"{path}: images lie in {[s or '.' for s in subfolders]}: leave splits out, or use no subfolders"
        )
    wanted = wanted or {"train": 0.9, "val": 0.1}
    numbers = [what for what in wanted.values() if not isinstance(what, str)]
    scale = len(items) if max(numbers, default=0) <= 1 else 1  # shares or counts
    if scale == 1 and sum(numbers) > len(items):
        raise ValueError(f"{path}: splits ask for {sum(numbers):g} images, there are {len(items)}: ask for fewer")
    in_order, splits, end = list(items.values()), {}, 0.0
    for split, what in wanted.items():
        if isinstance(what, str):
            splits[split] = _listed_items(items, path.parent / what)
        else:
            # Cut where the sums of the shares fall, so that the last gets what rounding leaves.
            start, end = end, end + what * scale
            splits[split] = in_order[int(start + 1e-6) : int(end + 1e-6)]
        if not splits[split]:
            raise ValueError(f"{path}: split {split} gets none of {len(items)} images: give it more")
    if sum(map(len, splits.values())) > len({item.name for some in splits.values() for item in some}):
        raise ValueError(f"{path}: an image is in two splits: list each once, or use numbers for all splits")
    return splits


def _listed_items(items: Mapping[tuple[str, str], Item], path: Path) -> list[Item]:
    by_name = {name: item for (_, name), item in items.items()}
    names = [Path(line.strip()).stem for line in path.read_text().splitlines() if line.strip()]
    if lacking := [name for name in names if name not in by_name]:
        raise ValueError(f"{path} lists {len(lacking)} images that are not there, such as {lacking[0]}: correct it")
    return [by_name[name] for name in names]


def _read(item: Item, description: Description, size: tuple[int, int]) -> Sample:
    labels: dict[str, Array] = {}
    valid: dict[str, Mask] = {}
    for task, section in description.sections().items():
        if task not in item.files:
            continue
        path = item.files[task]
        stored = read_label(path, size)
        match section:
            case Semseg():
                labels[task], valid[task] = _ids(stored, section, path)
            case Depth():
                labels[task], valid[task] = _depth(stored, section, path)
            case Normals():
                if stored.shape[2:] != (3,):
                    raise ValueError(f"{path} has shape {stored.shape} instead of (H, W, 3): convert it")
                if path.suffix != ".npy":
                    stored = (stored / 127.5 - 1) * stored.any(-1, keepdims=True)
                normals, valid[task] = unit_vectors(stored)
                labels[task] = section.order().applied(normals)
    return Sample(read_image(item.files["images"], size), labels, valid, item.name)


def _ids(stored: Array, section: Semseg, path: Path) -> tuple[Array, Mask]:
    ids = section.ids()
    if stored.ndim == 3 and path.suffix != ".npy":
        # Colours are packed into numbers; what is not in the palette is void if black or white are.
        weights = np.array([1 << 16, 1 << 8, 1])
        known = np.array(section.class_set().palette) @ weights
        stored, ids, void = stored[..., :3] @ weights, known.tolist(), [0, (1 << 24) - 1]
    else:
        stored, void = stored.reshape(stored.shape[:2]), section.void
    values, positions = np.unique(stored, return_inverse=True)
    index = {value: position for position, value in enumerate(ids)}
    if unknown := [value for value in values.tolist() if value not in index and value not in void]:
        raise ValueError(
            f"{path} holds {unknown[:5]}, neither classes nor void: name them in semseg.classes or semseg.void"
        )
    table = np.array([VOID if value in void else index[value] for value in values.tolist()], np.uint8)
    labels = table[positions].reshape(stored.shape)
    return labels, labels != VOID


def _depth(stored: Array, section: Depth, path: Path) -> tuple[Array, Mask]:
    step = section.metres()
    if stored.size != stored.shape[0] * stored.shape[1]:
        raise ValueError(f"{path} has shape {stored.shape} instead of (H, W): it is no depth but a picture of one")
    if stored.dtype == np.uint8 and section.unit != "unknown" and not section.inverse and step < 0.02:
        raise ValueError(
            f"{path} has 8 bits, which end at {255 * step:g} m: 16 bits belong here; "
            "export it again, or correct depth.unit"
        )
    values = stored.reshape(stored.shape[:2]).astype(np.float64)
    valid = np.isfinite(values) & (values > 0) & ~np.isin(values, section.invalid)
    depth = np.where(valid, values, 1)
    depth = step / depth if section.inverse else step * depth
    if section.unit == "unknown" and valid.any():
        depth /= np.median(depth[valid])
    return depth.astype(np.float32), valid
