"""A folder of your own: images and labels, matched by name, and a ``taskscape.yaml`` that says what they mean.

The raw folder holds::

    taskscape.yaml         what the labels mean, see below; it may lie elsewhere
    images/NAME.jpg        any format that Pillow reads
    semseg/NAME.png        8 or 16 bits or a palette: ids; RGB: the colors of the palette; or .npy
    depth/NAME.png         8 or 16 bits, or .npy, (H, W) or (H, W, 1)
    normals/NAME.png       RGB with n = v / 255 · 2 - 1, (0, 0, 0) = none; or .npy with the vectors, (H, W, 3)
    boundaries/NAME.png    gray: 0 is no boundary
    albedo/NAME.png        sRGB, (0, 0, 0) = none; or .npy with linear reflectance, (H, W, 3)

or the same with the split between: ``images/train/NAME.jpg``, ``semseg/train/NAME.png``. An image without a label of a
field has no valid pixel of it; a field without a section in the YAML file is left out. All keys of the file::

    images: images                  # the folder; this is the default
    splits: {train: 0.9, val: 0.1}  # without this line: the subfolders of images/, or the last tenth for val
    semseg:
      folder: semseg                # by default the name of the section
      classes: {1: bed, 2: books}   # name by id in the files; or a list, from 0; or a class set such as nyuv2-13
      palette: [[255, 187, 120], [148, 103, 189]]   # RGB in the order of the classes; may be left out
      void: [0, 255]                # ids without a class; an id that is neither is an error
    depth:
      unit: millimetre              # metre, centimetre, millimetre, a number of metres per step, or unknown
      inverse: false                # true where the files hold 1/depth; the unit is then that of 1/value
      invalid: [0]                  # values without a depth; NaN, infinity and what is not above 0 never have one
    normals:
      axes: [x, y, z]               # the stored components in the order right, down, forward; -y where y is up
    boundaries:
      lines: 255                    # the value of a boundary; by default all but 0 and void
      void: 128                     # the value of pixels without a label; by default there are none
    albedo: {}
    parts:                          # a field of another name says its type: one of the above, or my.py:MySection
      type: semseg
      classes: [rest, lamp, chair]

A split is a share of the images (all numbers below or at 1), a number of images, or a text file with a name a line.
Shares and numbers are taken in the order of the names, so that neighbors stay together.

Depth of unit ``unknown`` is relative: proportional to metres within an image only. It is kept with the median of every
image at 1, and only scale-invariant and median-scaled metrics mean anything.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from typing_extensions import override

from taskscape.batch import Sample
from taskscape.data.readers.base import RawData, RawIndex, RawSample
from taskscape.data.readers.files import require, stems
from taskscape.data.readers.folder.albedo import AlbedoSection
from taskscape.data.readers.folder.boundaries import BoundariesSection
from taskscape.data.readers.folder.depth import DepthSection
from taskscape.data.readers.folder.description import Description
from taskscape.data.readers.folder.normals import NormalsSection
from taskscape.data.readers.folder.section import Section
from taskscape.data.readers.folder.semseg import SemsegSection
from taskscape.data.readers.folder.splits import Key, split_up
from taskscape.data.readers.images import read_image, size_of
from taskscape.data.readers.labels import read_label
from taskscape.serialization import offer, unstructure

DESCRIPTION = "taskscape.yaml"
SECTIONS: tuple[type[Section], ...] = (
    SemsegSection,
    DepthSection,
    NormalsSection,
    BoundariesSection,
    AlbedoSection,
)
"""The kinds of labels, each with its name."""

offer(Section, SECTIONS)


@dataclass(frozen=True)
class Folder(RawData):
    """A folder of your own: images, labels of any kind, and a taskscape.yaml that says what they mean."""

    name: ClassVar[str] = "folder"

    description: Path | None = None
    """The YAML file; by default taskscape.yaml in the folder."""
    size: tuple[int, int] | None = None
    """Height and width of the store's images; by default those of the first."""

    @override
    def contents(self, raw: Path) -> RawIndex:
        """Read the description and match the names."""
        require(raw, (), "Give the folder of your images and labels.")
        path = self.description or raw / DESCRIPTION
        description = Description.load(path)
        folders = {name: section.folder or name for name, section in description.sections.items()}
        require(raw, [description.images, *folders.values()], f"Make them, or name others in {path}")
        images = _by_key(raw / description.images)
        if not images:
            raise ValueError(f"{raw / description.images} holds no images: fill it, or name another in {path}")
        labels = {name: _by_key(raw / folder) for name, folder in folders.items()}
        for name, files in labels.items():
            if stray := sorted(files.keys() - images.keys()):
                raise ValueError(
                    f"{len(stray)} files of {folders[name]}/ have no image in {description.images}/, such as "
                    f"{_name(stray[0])}: remove them, or give them the name of their image"
                )
            if not files:
                raise ValueError(f"{raw / folders[name]} holds no labels: fill it, or remove {name} from {path}")
        samples = {
            key: RawSample(
                _name(key), {"image": image, **{name: files[key] for name, files in labels.items() if key in files}}
            )
            for key, image in images.items()
        }
        size = self.size or size_of(next(iter(images.values())))
        source: dict[str, Any] = {
            "description": unstructure(description),
            "images without": {name: len(images) - len(files) for name, files in labels.items()},
        }
        for name, section in description.sections.items():
            if about := section.about():
                source[name] = about
        return RawIndex(
            size=size,
            splits=split_up(samples, description.splits, path),
            fields={name: section.modality() for name, section in description.sections.items()},
            source=source,
            read=partial(_read, sections=description.sections, size=size),
        )


def _by_key(folder: Path) -> dict[Key, Path]:
    """Return the files by (subfolder, name); the subfolder of those right in the folder is the empty string."""
    files = {("", name): path for name, path in stems(folder).items()}
    for inner in sorted(path for path in folder.iterdir() if path.is_dir()):
        files |= {(inner.name, name): path for name, path in stems(inner).items()}
    return files


def _name(key: Key) -> str:
    return "/".join(filter(None, key))


def _read(raw: RawSample, sections: dict[str, Section], size: tuple[int, int]) -> Sample:
    values, valid = {"image": read_image(raw.files["image"], size)}, {}
    for name, section in sections.items():
        if name in raw.files:
            path = raw.files[name]
            try:
                values[name], valid[name] = section.read(read_label(path, size), path.suffix == ".npy")
            except ValueError as error:
                raise ValueError(f"{path} {error}") from error
    return Sample(values, valid, raw.name)
