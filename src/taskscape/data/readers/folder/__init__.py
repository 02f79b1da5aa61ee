"""A folder of your own: images and labels, matched by name, and a ``taskscape.yaml`` that says what they mean.

The raw folder holds::

    taskscape.yaml         what the labels mean, see below; it may lie elsewhere
    images/NAME.jpg        AVIF, BMP, GIF, JPEG, JPEG 2000, PNG, PNM, TIFF, WebP; turned upright by EXIF
    semseg/NAME.png        gray of 1 to 16 bits: ids; RGB or a palette: the colors of the palette; or .npy
    depth/NAME.png         8 or 16 bits, or float TIFF; or .npy, (H, W), (H, W, 1) or (1, H, W)
    normals/NAME.png       RGB with n = v / 255 · 2 - 1, (0, 0, 0) = none; or .npy, (H, W, 3): floats are the vectors
    boundaries/NAME.png    gray: 0 is no boundary
    albedo/NAME.png        sRGB, (0, 0, 0) = none; or .npy, (H, W, 3): floats are linear reflectance

or the same with the split between, ``images/train/NAME.jpg``, or before, ``train/images/NAME.jpg``; ``valid``,
``validation`` and ``dev`` are the split ``val``. Subfolders may be nested; a label has the path of its image. Names are
compared in one Unicode form. An image without a label of a field has no valid pixel of it; a field without a section in
the YAML file is left out. A file that is not used is named in a warning, with the reason. All keys of the file::

    images: images                  # the folder, also an absolute one; this is the default
    suffix: _rgb                    # what the images' names have behind those of the labels; by default nothing
    image_range: [0, 4095]          # black and white, or white alone, in images of more than 8 bits
    splits: {train: 0.9, val: 0.1}  # without this line: the subfolders of images/, or the last tenth for val
    semseg:
      folder: semseg                # by default the name of the section
      suffix: _mask                 # what the labels' names have behind those of the images; by default nothing
      classes: {1: bed, 2: books}   # name by id in the files; or a list, from 0; or a class set such as nyuv2-13
      palette: [[255, 187, 120], [148, 103, 189]]   # RGB in the order of the classes; by default the files' own
      void: [0, 255]                # ids and colors without a class; one that is neither is an error
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

A split is a share of the images (all numbers below or at 1, that add up to 1 at most), a number of images, a subfolder
of the images, or a text file with a name or path a line. Shares and numbers are taken in the order of the names, so
that neighbors stay together.

Of a label the numbers count that are stored, not those that are shown: 1, 2 and 4 bits of gray are ids too. Ids in
three equal channels are ids. Where the section gives a palette, the color of a palette image decides, not its index.
Pixels with alpha 0 have no label. 255, black and white are void unless they are classes or ``void`` is given. Two ids
of one name are one class. Lossy label files (JPEG, lossy WebP) are refused, and so are labels of another aspect ratio
than their image's, while a label of half the resolution is enlarged.

Images of 16 bits are read at their full range where values above 32767 prove it. Otherwise, and of floating-point
images, ``image_range`` must say what is white. The first image that is so bright decides for all.

Depth of unit ``unknown`` is relative: proportional to metres within an image only. It is kept with the median of every
image at 1, and only scale-invariant and median-scaled metrics mean anything.
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
from taskscape.data.readers.folder.matching import Found, find_files
from taskscape.data.readers.folder.normals import NormalsSection
from taskscape.data.readers.folder.section import Section
from taskscape.data.readers.folder.semseg import SemsegSection
from taskscape.data.readers.folder.sizes import check_sizes
from taskscape.data.readers.folder.splits import is_split, split_up
from taskscape.data.readers.images import SUFFIXES, ValueRange, full_range_if_bright, read_image_with_size, size_of
from taskscape.data.readers.samples import read_samples, stored_palette
from taskscape.files.paths import with_home
from taskscape.serialization import agreeing, listed, offer

DESCRIPTION = "taskscape.yaml"
SECTIONS: tuple[type[Section], ...] = (
    SemsegSection,
    DepthSection,
    NormalsSection,
    BoundariesSection,
    AlbedoSection,
)
"""The kinds of labels, each with its name."""
LABEL_SUFFIXES = (*SUFFIXES, ".npy", ".pfm")

_FIRST = 8
"""Labels that are looked at together."""

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
        """Read the description, match the names, and read the first file of every kind.

        Warns of files that are not used, and of labels that a split lacks.
        """
        require(raw, (), "Give the folder of your images and labels.")
        path = self.description or raw / DESCRIPTION
        description = Description.load(path)
        if self.size is not None:
            check_size(self.size)
        images, labels = _find(raw, description, path)
        samples = {
            key: RawSample(
                key,
                {"image": image, **{name: found.files[key] for name, found in labels.items() if key in found.files}},
            )
            for key, image in images.files.items()
        }
        splits = split_up(samples, description.splits, path)
        unused = _unused(raw, images, labels)
        notes = [*unused, *_in_no_split(samples, splits, path), *_check_labels(splits, list(labels), path, unused)]
        notes += check_sizes(list(samples.values()), self.size)
        value_range = description.value_range or full_range_if_bright(list(images.files.values()))
        size = self.size or size_of(next(iter(images.files.values())))
        read = partial(_read, sections=description.sections, size=size, value_range=value_range)
        for sample in _first_of_each_kind(samples):
            read(sample)
        fields = {}
        for name, section in description.sections.items():
            first = [read_samples(file) for file in _to_look_at(list(labels[name].files.values()), section)]
            fields[name] = section.modality_of(first)
            if doubt := section.doubts(first):
                notes.append(f"{_shown(labels[name])}: {doubt}")
        for note in notes:
            warnings.warn(note, stacklevel=2)
        source: dict[str, Any] = {
            "description": description.recorded(),
            "images without": {name: len(samples) - len(found.files) for name, found in labels.items()},
        }
        for name, section in description.sections.items():
            if about := section.about():
                source[name] = about
        return RawIndex(
            size=size,
            splits=splits,
            fields=fields,
            source=source,
            read=read,
        )


def _find(raw: Path, description: Description, path: Path) -> tuple[Found, dict[str, Found]]:
    """Return the images, and the labels by field. Raises ``FileNotFoundError`` or ``ValueError``."""
    names = {name: section.folder or name for name, section in description.sections.items()}
    places = {name: _places(raw, folder) for name, folder in names.items()}
    image_places = _places(raw, description.images)
    # A folder elsewhere is named by itself: joined to the raw folder it stays what it is.
    missing = [name for name in (description.images, *names.values()) if not _places(raw, name)]
    require(raw, [str(with_home(name)) for name in missing], f"Make them, or name others in {path}")
    beside = {
        name: [s.suffix for n, s in description.sections.items() if n != name and s.suffix and places[n] == where]
        for name, where in places.items()
    }
    inside = [s.suffix for n, s in description.sections.items() if s.suffix and places[n] == image_places]
    images = find_files(image_places, SUFFIXES, description.suffix, inside)
    if not images.files:
        raise ValueError(f"{_shown(images)} holds no images: fill it, or name another in {path}{_reasons(images)}")
    labels = {}
    for name, section in description.sections.items():
        found = find_files(places[name], LABEL_SUFFIXES, section.suffix, beside[name])
        if places[name] == image_places:  # what is no label there is an image
            found.unused.clear()
        if not found.files:
            raise ValueError(f"{_shown(found)} holds no labels: fill it, or remove {name} from {path}{_reasons(found)}")
        if stray := sorted(found.files.keys() - images.files.keys()):
            raise ValueError(
                f"{len(stray)} {agreeing(len(stray), 'file', 'files')} of {names[name]}/ without an image in "
                f"{description.images}/, such as {stray[0]}: {_remedy_for(stray, images, name)}"
            )
        labels[name] = found
    return images, labels


def _places(raw: Path, folder: str) -> dict[str, Path]:
    """Return the folders by what names in them begin with: one, or ``train/images`` and so on; none where it lacks."""
    place = raw / with_home(folder)
    if place.is_file():
        raise ValueError(f"{place} is a file, and a folder is needed: name the folder that it lies in")
    if place.exists():
        return {"": place}
    if same := [path for path in raw.iterdir() if normalized(path.name) == normalized(folder)]:
        return {"": same[0]}
    tops = sorted(path for path in raw.iterdir() if is_split(path.name) and (path / folder).is_dir())
    return {f"{top.name}/": top / folder for top in tops}


def _shown(found: Found) -> str:
    return listed([str(place) for place in found.places])


def _reasons(found: Found) -> str:
    return "".join(f"; {sentence}" for sentence in found.unused_sentences())


def _remedy_for(stray: list[str], images: Found, name: str) -> str:
    """Return what to do about labels without an image: mostly their names have something behind those of the images."""
    tails = {
        label.removeprefix(image) for label in stray[:1] for image in images.files if label.startswith(image) and image
    }
    folded = {name.casefold(): name for name in images.files}
    if (other := folded.get(stray[0].casefold())) is not None:
        return f"the image is {other}, with other upper and lower case: give both one name"
    by_last = {image.rpartition("/")[2]: image for image in images.files}
    if (other := by_last.get(stray[0].rpartition("/")[2])) is not None:
        return f"if its image is {other}, put the labels into subfolders as the images are"
    shortest = min(tails, key=len, default="").strip()
    if shortest and any(label.removesuffix(shortest) in images.files for label in stray):
        return f"say `suffix: {shortest}` in the section {name} if that is what their names have behind those of images"
    return "remove them, or give them the name of their image"


def _unused(raw: Path, images: Found, labels: Mapping[str, Found]) -> list[str]:
    """Return sentences about files that are not used."""
    notes = [note for found in (images, *labels.values()) for note in found.unused_sentences()]
    used = {place.absolute() for found in (images, *labels.values()) for place in found.places}
    return notes + [
        f"{folder} is not used: no section of the description names it"
        for folder in (raw.absolute() / section.name for section in SECTIONS)
        if folder.is_dir() and not any(one.is_relative_to(folder) or folder.is_relative_to(one) for one in used)
    ]


def _in_no_split(samples: Mapping[str, RawSample], splits: Mapping[str, list[RawSample]], path: Path) -> list[str]:
    """Return a sentence about images that no split takes."""
    taken = {one.name for some in splits.values() for one in some}
    rest = [name for name in samples if name not in taken]
    if not rest:
        return []
    are, they = agreeing(len(rest), "is", "are"), agreeing(len(rest), "it is", "they are")
    return [f"{path}: {len(rest)} of {len(samples)} images {are} in no split, such as {rest[0]}: {they} not used"]


def _check_labels(splits: Mapping[str, list[RawSample]], fields: list[str], path: Path, unused: list[str]) -> list[str]:
    """Return sentences about labels that are missing. Raises ``ValueError`` where a split has none at all."""
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
                    else f"{split}: no image has a label of {name}, so that nothing of it can be learned or measured "
                    "there: choose other splits"
                )
    return notes


def _first_of_each_kind(samples: Mapping[str, RawSample]) -> list[RawSample]:
    """Return few samples with the first file of each field and ending, to find mistakes before the long work."""
    seen: set[tuple[str, str]] = set()
    chosen = []
    for sample in samples.values():
        kinds = {(name, path.suffix.lower()) for name, path in sample.files.items()}
        if kinds - seen:
            seen |= kinds
            chosen.append(sample)
    return chosen


def _to_look_at(files: Sequence[Path], section: Section) -> list[Path]:
    """Return some first labels; where the indices of palettes count, also the first of some others with palettes."""
    by_palette: dict[bytes, Path] = {}
    if section.channels is None:
        for file in files:
            by_palette.setdefault(stored_palette(file), file)
    return list(dict.fromkeys([*files[:_FIRST], *list(by_palette.values())[:_FIRST]]))


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
