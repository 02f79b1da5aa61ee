"""A folder of your own: images and labels, matched by name, and a ``taskscape.yaml`` that describes the labels.

The raw folder holds::

    taskscape.yaml         description of the labels, see below; it can be elsewhere
    images/NAME.jpg        AVIF, BMP, GIF, JPEG, JPEG 2000, PNG, PNM, TIFF, WebP; rotated upright by EXIF
    semseg/NAME.png        gray of 1 to 16 bits: ids; RGB or a palette: the colors of the palette; or .npy
    depth/NAME.png         8 or 16 bits, or float TIFF; or .npy, (H, W), (H, W, 1) or (1, H, W)
    normals/NAME.png       RGB with n = v / 255 · 2 - 1, (0, 0, 0) = none; or .npy, (H, W, 3): floats are the vectors
    boundaries/NAME.png    gray: 0 is no boundary
    albedo/NAME.png        sRGB, (0, 0, 0) = none; or .npy, (H, W, 3): floats are linear reflectance

The split can be a subfolder, ``images/train/NAME.jpg``, or a parent folder, ``train/images/NAME.jpg``; ``valid``,
``validation`` and ``dev`` are the split ``val``. Each scene can have its own folders, ``street/001/images/NAME.jpg``.
Subfolders can be nested; a label has the same path as its image.
Names are compared in one Unicode form. If an image has no label of a field, the field has no valid pixel for it. A
field without a section in the YAML file is left out. Unused files are named in a warning, with the reason. All keys of
the file::

    images: images                  # the folder, which can be an absolute path; this is the default
    suffix: _rgb                    # suffix of the images' names that the labels' names lack; by default none
    image_range: [0, 4095]          # values of black and white, or of white only, in images of more than 8 bits
    splits: {train: 0.9, val: 0.1}  # without this line: the subfolders of images/, or the last tenth for val
    semseg:
      folder: semseg                # by default the name of the section
      suffix: _mask                 # suffix of the labels' names that the images' names lack; by default none
      classes: {1: bed, 2: books}   # name by id in the files; or a list, from 0; or a class set such as nyuv2-13
      palette: [[255, 187, 120], [148, 103, 189]]   # RGB in the order of the classes; by default the files' own
      void: [0, 255]                # ids and colors without a class; values that are neither are an error
    depth:
      unit: millimeter              # meter, centimeter, millimeter, a number of meters per step, or unknown
      inverse: false                # true if the files hold 1/depth; the unit is then that of 1/value
      invalid: [10]                 # values without depth; by default 65535 in files of 16 bits. NaN, infinity,
                                    # non-positive values and the no-data value of a TIFF are always invalid
    normals:
      axes: [x, y, z]               # the stored components in the order right, down, forward; -y if y is up
    boundaries:
      lines: 255                    # the value of a boundary; by default every value except 0 and void
      void: 128                     # the value of pixels without a label; by default none
    albedo: {}
    parts:                          # a field of another name needs a type: one of the above, or my.py:MySection
      type: semseg
      classes: [rest, lamp, chair]

A split is a share of the images (if no number is above 1; they must add up to at most 1), a number of images, a
subfolder of the images, a file that lists names or paths, or a list of subfolders, files and names, such as
``[street/001, yard]``. A file has one name per line; a CSV file has it in the first column, perhaps below a header, and
a JSON file is a list. Shares and numbers are taken in the order of the names, so neighbors stay together.

The stored numbers of a label count, not those that are displayed: gray of 1, 2 and 4 bits holds ids too, and so do
three equal channels. If the section has a palette, the color of a palette image decides, not its index; if the palette
of a file has only grays, and these are ids, they decide too. Pixels with alpha 0 have no label. Black and white in
color masks are void unless they are classes, and so is the id 255 unless ``void`` is given. Two ids with the same name
are one class. Lossy label files (JPEG, lossy WebP) are refused, as are labels whose aspect ratio differs from that of
their image; a label at half the resolution is enlarged.

Images of 16 bits are read at full range if values above 32767 prove it. Otherwise, and for floating-point images,
``image_range`` must give the value of white. The first 16-bit image decides for all.

Depth of unit ``unknown`` is relative: proportional to meters within an image only. It is stored with a median of 1 in
every image, and only scale-invariant and median-scaled metrics are meaningful.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from typing_extensions import override

from taskscape.batch import Sample
from taskscape.data.readers.aspect import check_aspect
from taskscape.data.readers.base import RawData, RawIndex, RawSample
from taskscape.data.readers.files import require
from taskscape.data.readers.folder.albedo import AlbedoSection
from taskscape.data.readers.folder.boundaries import BoundariesSection
from taskscape.data.readers.folder.depth import DepthSection
from taskscape.data.readers.folder.description import Description
from taskscape.data.readers.folder.matching import Matches
from taskscape.data.readers.folder.normals import NormalsSection
from taskscape.data.readers.folder.notes import check_labels, note_unassigned, note_unused
from taskscape.data.readers.folder.pairing import find_images_and_labels
from taskscape.data.readers.folder.section import Section
from taskscape.data.readers.folder.semseg import SemsegSection
from taskscape.data.readers.folder.sizes import check_sizes
from taskscape.data.readers.folder.splits import split_up
from taskscape.data.readers.images import ValueRange, full_range_if_bright, read_image_with_size, size_of
from taskscape.data.readers.samples import read_samples, stored_palette
from taskscape.modalities import Modality
from taskscape.serialization import offer

DESCRIPTION = "taskscape.yaml"
SECTIONS: tuple[type[Section], ...] = (
    SemsegSection,
    DepthSection,
    NormalsSection,
    BoundariesSection,
    AlbedoSection,
)
"""All types of sections; each has a name."""

_NUM_INSPECTED = 8
"""Number of labels that are inspected together."""

offer(Section, SECTIONS)


@dataclass(frozen=True)
class Folder(RawData):
    """A folder of your own: images, labels of any kind, and a taskscape.yaml that describes the labels."""

    name: ClassVar[str] = "folder"

    description: Path | None = None
    """The YAML file; by default taskscape.yaml in the folder."""
    size: tuple[int, int] | None = None
    """Height and width of the store's images; by default those of the first image."""

    @override
    def contents(self, raw: Path) -> RawIndex:
        """Read the description, match the names, and read the first file of every kind.

        Warns about unused files, and about labels that a split lacks.
        """
        require(raw, (), "Give the folder of your images and labels.")
        path = self.description or raw / DESCRIPTION
        description = Description.load(path)
        images, labels = find_images_and_labels(raw, description, path)
        samples = _samples(images, labels)
        splits = split_up(samples, description.splits, path)
        unused = note_unused([images, *labels.values()], [raw.absolute() / section.name for section in SECTIONS])
        notes = [*unused, *note_unassigned(samples, splits, path), *check_labels(splits, list(labels), path, unused)]
        notes += check_sizes(list(samples.values()), self.size)
        value_range = description.value_range or full_range_if_bright(list(images.files.values()))
        size = self.size or size_of(next(iter(images.files.values())))
        read = partial(_read, sections=description.sections, size=size, value_range=value_range)
        for sample in _first_of_each_kind(samples):
            read(sample)
        fields, doubts = _fields_and_doubts(description.sections, labels)
        for note in [*notes, *doubts]:
            warnings.warn(note, stacklevel=2)
        return RawIndex(
            size=size,
            splits=splits,
            fields=fields,
            source=_source(description, num_images=len(samples), labels=labels),
            read=read,
        )


def _samples(images: Matches, labels: Mapping[str, Matches]) -> dict[str, RawSample]:
    """Return every image with its labels, by name."""
    return {
        key: RawSample(
            key,
            {
                "image": image,
                **{name: matches.files[key] for name, matches in labels.items() if key in matches.files},
            },
        )
        for key, image in images.files.items()
    }


def _fields_and_doubts(
    sections: Mapping[str, Section], labels: Mapping[str, Matches]
) -> tuple[dict[str, Modality], list[str]]:
    """Return the modality of each field, and sentences about doubtful labels, from the first few labels."""
    fields, doubts = {}, []
    for name, section in sections.items():
        first_labels = [read_samples(file) for file in _labels_to_inspect(list(labels[name].files.values()), section)]
        fields[name] = section.modality_of(first_labels)
        if doubt := section.doubts(first_labels):
            doubts.append(f"{labels[name].folder_names}: {doubt}")
    return fields, doubts


def _source(description: Description, num_images: int, labels: Mapping[str, Matches]) -> dict[str, Any]:
    """Return the manifest entry about the description, missing labels and conversions."""
    conversions = {name: section.about() for name, section in description.sections.items()}
    return {
        "description": description.recorded(),
        "images without": {name: num_images - len(matches.files) for name, matches in labels.items()},
        **{name: conversion for name, conversion in conversions.items() if conversion},
    }


def _first_of_each_kind(samples: Mapping[str, RawSample]) -> list[RawSample]:
    """Return a few samples with the first file of each field and extension, to find mistakes before the long work."""
    seen: set[tuple[str, str]] = set()
    chosen = []
    for sample in samples.values():
        kinds = {(name, path.suffix.lower()) for name, path in sample.files.items()}
        if kinds - seen:
            seen |= kinds
            chosen.append(sample)
    return chosen


def _labels_to_inspect(files: Sequence[Path], section: Section) -> list[Path]:
    """Return the first few labels, the first of each extension and, if indices matter, of each of a few palettes."""
    by_ending = {file.suffix.lower(): file for file in reversed(files)}
    by_palette: dict[bytes, Path] = {}
    if section.channels is None:
        for file in files:
            by_palette.setdefault(stored_palette(file), file)
    return list(
        dict.fromkeys([*files[:_NUM_INSPECTED], *by_ending.values(), *list(by_palette.values())[:_NUM_INSPECTED]])
    )


def _read(
    raw: RawSample, sections: Mapping[str, Section], size: tuple[int, int], value_range: ValueRange | None
) -> Sample:
    image, native = read_image_with_size(raw.files["image"], size, value_range)
    values, valid, before = {"image": image}, {}, {}
    for name, section in sections.items():
        if name in raw.files:
            path = raw.files[name]
            label = read_samples(path)
            check_aspect(path, label.values.shape, native)
            try:
                values[name], valid[name] = section.decode(label.resized(size))
                if section.can_vanish and label.size != size:
                    before[name] = section.decode(label)
            except ValueError as error:
                raise ValueError(f"{path} {error}") from error
    return Sample(values, valid, raw.name, before)
