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
``validation`` and ``dev`` are the split ``val``. Subfolders can be nested; a label has the same path as its image.
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
      unit: millimetre              # metre, centimetre, millimetre, a number of metres per step, or unknown
      inverse: false                # true if the files hold 1/depth; the unit is then that of 1/value
      invalid: [0]                  # values without depth; NaN, infinity and non-positive values are always invalid
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
subfolder of the images, or a text file with one name or path per line. Shares and numbers are taken in the order of the
names, so neighbors stay together.

The stored numbers of a label count, not those that are displayed: gray of 1, 2 and 4 bits holds ids too, and so do
three equal channels. If the section has a palette, the color of a palette image decides, not its index. Pixels with
alpha 0 have no label. 255, black and white are void unless they are classes or ``void`` is given. Two ids with the same
name are one class. Lossy label files (JPEG, lossy WebP) are refused, as are labels whose aspect ratio differs from that
of their image; a label at half the resolution is enlarged.

Images of 16 bits are read at full range if values above 32767 prove it. Otherwise, and for floating-point images,
``image_range`` must give the value of white. The first 16-bit image decides for all.

Depth of unit ``unknown`` is relative: proportional to metres within an image only. It is stored with a median of 1 in
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
from taskscape.data.readers.files import check_size, normalized, require
from taskscape.data.readers.folder.albedo import AlbedoSection
from taskscape.data.readers.folder.boundaries import BoundariesSection
from taskscape.data.readers.folder.depth import DepthSection
from taskscape.data.readers.folder.description import Description
from taskscape.data.readers.folder.matching import Matches, find_files
from taskscape.data.readers.folder.normals import NormalsSection
from taskscape.data.readers.folder.section import Section
from taskscape.data.readers.folder.semseg import SemsegSection
from taskscape.data.readers.folder.sizes import check_sizes
from taskscape.data.readers.folder.splits import is_split, split_up
from taskscape.data.readers.images import SUFFIXES, ValueRange, full_range_if_bright, read_image_with_size, size_of
from taskscape.data.readers.samples import read_samples, stored_palette
from taskscape.files.paths import with_home
from taskscape.serialization import agreeing, counted, listed, offer

DESCRIPTION = "taskscape.yaml"
SECTIONS: tuple[type[Section], ...] = (
    SemsegSection,
    DepthSection,
    NormalsSection,
    BoundariesSection,
    AlbedoSection,
)
"""All types of sections; each has a name."""
LABEL_SUFFIXES = (*SUFFIXES, ".npy", ".pfm")

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
        if self.size is not None:
            check_size(self.size)
        images, labels = _find_images_and_labels(raw, description, path)
        samples = {
            key: RawSample(
                key,
                {
                    "image": image,
                    **{name: matches.files[key] for name, matches in labels.items() if key in matches.files},
                },
            )
            for key, image in images.files.items()
        }
        splits = split_up(samples, description.splits, path)
        unused = _note_unused(raw, images, labels)
        notes = [*unused, *_note_unassigned(samples, splits, path), *_check_labels(splits, list(labels), path, unused)]
        notes += check_sizes(list(samples.values()), self.size)
        value_range = description.value_range or full_range_if_bright(list(images.files.values()))
        size = self.size or size_of(next(iter(images.files.values())))
        read = partial(_read, sections=description.sections, size=size, value_range=value_range)
        for sample in _first_of_each_kind(samples):
            read(sample)
        fields = {}
        for name, section in description.sections.items():
            first_labels = [
                read_samples(file) for file in _labels_to_inspect(list(labels[name].files.values()), section)
            ]
            fields[name] = section.modality_of(first_labels)
            if doubt := section.doubts(first_labels):
                notes.append(f"{_describe_folders(labels[name])}: {doubt}")
        for note in notes:
            warnings.warn(note, stacklevel=2)
        source: dict[str, Any] = {
            "description": description.recorded(),
            "images without": {name: len(samples) - len(matches.files) for name, matches in labels.items()},
        }
        for name, section in description.sections.items():
            if conversion := section.about():
                source[name] = conversion
        return RawIndex(
            size=size,
            splits=splits,
            fields=fields,
            source=source,
            read=read,
        )


def _find_images_and_labels(raw: Path, description: Description, path: Path) -> tuple[Matches, dict[str, Matches]]:
    """Return the images, and the labels by field. Raises ``FileNotFoundError`` or ``ValueError``."""
    folder_names = {name: section.folder or name for name, section in description.sections.items()}
    label_folders = {name: _resolve_folders(raw, folder) for name, folder in folder_names.items()}
    image_folders = _resolve_folders(raw, description.images)
    # An absolute path stays the same when it is joined to the raw folder.
    missing = [name for name in (description.images, *folder_names.values()) if not _resolve_folders(raw, name)]
    require(raw, [str(with_home(name)) for name in missing], f"Make them, or name others in {path}")
    sibling_suffixes = {
        name: [
            other.suffix
            for field, other in description.sections.items()
            if field != name and other.suffix and label_folders[field] == own_folders
        ]
        for name, own_folders in label_folders.items()
    }
    label_suffixes = [
        other.suffix
        for field, other in description.sections.items()
        if other.suffix and label_folders[field] == image_folders
    ]
    images = find_files(image_folders, SUFFIXES, description.suffix, label_suffixes)
    if not images.files:
        raise ValueError(
            f"{_describe_folders(images)} holds no images: fill it, or name another in {path}{_unused_reasons(images)}"
        )
    labels = {}
    for name, section in description.sections.items():
        matches = find_files(label_folders[name], LABEL_SUFFIXES, section.suffix, sibling_suffixes[name])
        if label_folders[name] == image_folders:  # all files that are not labels are images
            matches.unused.clear()
        if not matches.files:
            raise ValueError(
                f"{_describe_folders(matches)} holds no labels: fill it, or remove {name} from {path}"
                f"{_unused_reasons(matches)}"
            )
        if unmatched := sorted(matches.files.keys() - images.files.keys()):
            raise ValueError(
                f"{counted(len(unmatched), 'file', 'files')} of {folder_names[name]}/ without an image in "
                f"{description.images}/, such as {unmatched[0]}: {_remedy_for(unmatched, images, name)}"
            )
        labels[name] = matches
    return images, labels


def _resolve_folders(raw: Path, folder: str) -> dict[str, Path]:
    """Return the folders by the prefix of their names: one, or ``train/images`` and so on; empty if there are none."""
    candidate = raw / with_home(folder)
    if candidate.is_file():
        raise ValueError(f"{candidate} is a file, and a folder is needed: name the folder that contains it")
    if candidate.exists():
        return {"": candidate}
    if same := [path for path in raw.iterdir() if normalized(path.name) == normalized(folder)]:
        return {"": same[0]}
    split_folders = sorted(path for path in raw.iterdir() if is_split(path.name) and (path / folder).is_dir())
    return {f"{split_folder.name}/": split_folder / folder for split_folder in split_folders}


def _describe_folders(matches: Matches) -> str:
    return listed([str(folder) for folder in matches.folders])


def _unused_reasons(matches: Matches) -> str:
    return "".join(f"; {sentence}" for sentence in matches.unused_sentences())


def _remedy_for(unmatched: list[str], images: Matches, name: str) -> str:
    """Return the remedy for labels without an image; usually their names have a suffix that the images' names lack."""
    suffixes = {
        label.removeprefix(image)
        for label in unmatched[:1]
        for image in images.files
        if label.startswith(image) and image
    }
    by_lower_name = {name.casefold(): name for name in images.files}
    if (other := by_lower_name.get(unmatched[0].casefold())) is not None:
        return f"the image is {other}, which differs in upper and lower case: give both the same name"
    by_file_name = {image.rpartition("/")[2]: image for image in images.files}
    if (other := by_file_name.get(unmatched[0].rpartition("/")[2])) is not None:
        return f"if its image is {other}, put the labels into the same subfolders as the images"
    shortest = min(suffixes, key=len, default="").strip()
    if shortest and any(label.removesuffix(shortest) in images.files for label in unmatched):
        return f"set `suffix: {shortest}` in the section {name} if this is a suffix that the images' names lack"
    return "remove them, or give them the name of their image"


def _note_unused(raw: Path, images: Matches, labels: Mapping[str, Matches]) -> list[str]:
    """Return sentences about unused files."""
    notes = [note for matches in (images, *labels.values()) for note in matches.unused_sentences()]
    used = {path.absolute() for matches in (images, *labels.values()) for path in matches.folders}
    return notes + [
        f"{folder} is not used: no section of the description names it"
        for folder in (raw.absolute() / section.name for section in SECTIONS)
        if folder.is_dir()
        and not any(used_folder.is_relative_to(folder) or folder.is_relative_to(used_folder) for used_folder in used)
    ]


def _note_unassigned(samples: Mapping[str, RawSample], splits: Mapping[str, list[RawSample]], path: Path) -> list[str]:
    """Return a sentence about images that are in no split, if there are any."""
    assigned = {sample.name for split_samples in splits.values() for sample in split_samples}
    unassigned = [name for name in samples if name not in assigned]
    if not unassigned:
        return []
    are, they = agreeing(len(unassigned), "is", "are"), agreeing(len(unassigned), "it is", "they are")
    return [
        f"{path}: {len(unassigned)} of {len(samples)} images {are} in no split, such as {unassigned[0]}: {they} "
        "not used"
    ]


def _check_labels(splits: Mapping[str, list[RawSample]], fields: list[str], path: Path, unused: list[str]) -> list[str]:
    """Return sentences about missing labels. Raises ``ValueError`` if train or val has no label at all."""
    notes = []
    for split, samples in splits.items():
        counts = {name: sum(name in sample.files for sample in samples) for name in fields}
        if split in ("train", "val") and not any(counts.values()):
            raise ValueError(
                f"{path}: no image of {split} has a label ({listed(fields)}): nothing can be "
                f"{'learned from' if split == 'train' else 'measured on'} it; label some, or choose other splits"
                + "".join(f"; {sentence}" for sentence in unused)
            )
        for name, count in counts.items():
            if count < len(samples):
                lacking = next(sample.name for sample in samples if name not in sample.files)
                have = agreeing(len(samples) - count, "has", "have")
                notes.append(
                    f"{split}: {len(samples) - count} of {len(samples)} images {have} no {name} label, such as "
                    f"{lacking}"
                    if count
                    else f"{split}: no image has a {name} label, so it cannot be learned or measured there: choose "
                    "other splits"
                )
    return notes


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
    """Return the first few labels; if palette indices matter, also the first label of each of a few palettes."""
    by_palette: dict[bytes, Path] = {}
    if section.channels is None:
        for file in files:
            by_palette.setdefault(stored_palette(file), file)
    return list(dict.fromkeys([*files[:_NUM_INSPECTED], *list(by_palette.values())[:_NUM_INSPECTED]]))


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
