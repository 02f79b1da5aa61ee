"""Find the images of a folder, and the labels of each field that belong to them."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from taskscape.data.readers.files import normalized, require
from taskscape.data.readers.folder.description import Description
from taskscape.data.readers.folder.matching import Matches, find_files, subfolders, without_suffix
from taskscape.data.readers.images import SUFFIXES
from taskscape.data.readers.splits import is_split
from taskscape.files.paths import with_home
from taskscape.serialization import counted

LABEL_SUFFIXES = (*SUFFIXES, ".npy", ".pfm")

_Folders = dict[str, Path]
"""The folders of the images or of one field, by the prefix of their files' names."""


def find_images_and_labels(raw: Path, description: Description, path: Path) -> tuple[Matches, dict[str, Matches]]:
    """Return the images, and the labels by field.

    ``path`` is the file of the description. Raises ``FileNotFoundError`` or ``ValueError`` that name the folder without
    images or labels, or a label without an image, and the remedy.
    """
    search = _Search.of(raw, description, path)
    images = search.images()
    return images, {name: search.labels(name, images) for name in description.sections}


@dataclass(frozen=True)
class _Search:
    description: Description
    path: Path
    image_folders: _Folders
    label_folders: Mapping[str, _Folders]
    """The folders of each field."""

    @classmethod
    def of(cls, raw: Path, description: Description, path: Path) -> "_Search":
        """Find the folders. Raises ``FileNotFoundError`` or ``ValueError``."""
        folder_names = [section.folder or name for name, section in description.sections.items()]
        image_folders = _resolve_folders(raw, description.images)
        label_folders = [_resolve_folders(raw, name, list(image_folders)) for name in folder_names]
        # An absolute path stays the same when it is joined to the raw folder.
        found = [image_folders, *label_folders]
        missing = [name for name, some in zip((description.images, *folder_names), found, strict=True) if not some]
        require(
            raw,
            [str(with_home(name)) for name in missing],
            f"Make them, or name others in {path}; each split or scene may have its own, such as train/images",
        )
        for (name, section), folders in zip(description.sections.items(), label_folders, strict=True):
            if folders == image_folders and section.suffix == description.suffix:
                raise ValueError(
                    f"{path}: {name} has the folder of the images, {description.images}, and no suffix of its own: set "
                    "`suffix: _mask` if the labels' names end like this, or move the labels to another folder"
                )
        return cls(description, path, image_folders, dict(zip(description.sections, label_folders, strict=True)))

    def images(self) -> Matches:
        """Return the images. Raises ``ValueError`` if there are none."""
        suffixes = self._other_suffixes(self.image_folders)
        images = find_files(self.image_folders, SUFFIXES, self.description.suffix, suffixes)
        if self._has_unmarked_labels(self.image_folders):
            images.unused.pop(without_suffix(self.description.suffix), None)
        if not images.files:
            raise ValueError(
                f"{images.folder_names} holds no images: fill it, or name another in {self.path}"
                f"{_unused_reasons(images)}"
            )
        return images

    def labels(self, name: str, images: Matches) -> Matches:
        """Return the labels of a field. Raises ``ValueError`` if there are none, or if one has no image."""
        section, folders = self.description.sections[name], self.label_folders[name]
        labels = find_files(folders, LABEL_SUFFIXES, section.suffix, self._other_suffixes(folders, but=name))
        if folders == self.image_folders:  # all files that are not labels are images
            labels.unused.clear()
        if not labels.files:
            raise ValueError(
                f"{labels.folder_names} holds no labels: fill it, or remove {name} from {self.path}"
                f"{_unused_reasons(labels)}"
            )
        if unmatched := sorted(labels.files.keys() - images.files.keys()):
            raise ValueError(
                f"{counted(len(unmatched), 'file', 'files')} of {section.folder or name}/ without an image in "
                f"{self.description.images}/, such as {unmatched[0]}: {_remedy_for(unmatched[0], images.files, name)}"
                f"{_unused_reasons(images)}"
            )
        return labels

    def _other_suffixes(self, folders: _Folders, but: str | None = None) -> list[str]:
        """Return the suffixes of the files in these folders, except those of the images or of the field ``but``."""
        of_images = [self.description.suffix] if but and folders == self.image_folders else []
        of_labels = [
            section.suffix
            for name, section in self.description.sections.items()
            if name != but and self.label_folders[name] == folders
        ]
        return [suffix for suffix in (*of_images, *of_labels) if suffix]

    def _has_unmarked_labels(self, folders: _Folders) -> bool:
        """Return whether these folders hold labels without a suffix."""
        return any(
            self.label_folders[name] == folders and not section.suffix
            for name, section in self.description.sections.items()
        )


def _resolve_folders(raw: Path, folder: str, prefixes: Collection[str] = ()) -> _Folders:
    """Return the folders by the prefix of their files' names; empty if there are none.

    This is one folder, or one per split such as ``train/images``, or one per scene such as ``street/001/images``; for
    labels, perhaps only some of those of the images, which have ``prefixes``.
    """
    candidate = raw / with_home(folder)
    if candidate.is_file():
        raise ValueError(f"{candidate} is a file, and a folder is needed: name the folder that contains it")
    if candidate.exists():
        return {"": candidate}
    if same := [path for path in raw.iterdir() if normalized(path.name) == normalized(folder)]:
        return {"": same[0]}
    split_folders = sorted(path for path in raw.iterdir() if is_split(path.name) and (path / folder).is_dir())
    scenes = split_folders or list(_folders_with(raw, folder))
    if len(scenes) == 1 and not split_folders and len(prefixes) < 2:
        return {}  # not one scene of several, but the raw folder itself, further down
    return {f"{scene.relative_to(raw).as_posix()}/": scene / folder for scene in scenes}


def _folders_with(parent: Path, folder: str) -> Iterator[Path]:
    """Yield the folders below a folder that have this subfolder, sorted; their own subfolders are not searched."""
    for path in subfolders(parent):
        if (path / folder).is_dir():
            yield path
        else:
            yield from _folders_with(path, folder)


def _unused_reasons(matches: Matches) -> str:
    return "".join(f"; {sentence}" for sentence in matches.unused_sentences())


def _remedy_for(label: str, images: Collection[str], field: str) -> str:
    """Return the remedy for a label without an image: the names differ in case, folder or suffix."""
    if other := next((image for image in images if image.casefold() == label.casefold()), ""):
        return f"the image is {other}, which differs in upper and lower case: give both the same name"
    file_name = label.rpartition("/")[2]
    if other := next((image for image in images if image.rpartition("/")[2] == file_name), ""):
        return f"if its image is {other}, put the labels into the same subfolders as the images"
    start = max(filter(label.startswith, images), key=len, default="")
    if start and (suffix := label.removeprefix(start)) == suffix.strip():
        return f"set `suffix: {suffix}` in the section {field} if this is a suffix that the images' names lack"
    image = max(images, key=lambda image: len(_common_start(label, image)))
    if (start := _common_start(label, image)) != label:
        start = re.sub(r"[_. -]+[^_. -]*$", "", start)  # a name ends where a separator begins
    of_images, of_labels = image.removeprefix(start), label.removeprefix(start)
    if start and of_images and all(name.endswith(of_images) for name in images):
        also = f", and `suffix: {of_labels}` in the section {field}" if of_labels else ""
        return f"set `suffix: {of_images}` for the images{also}, if these end the names of both kinds of files"
    return "remove them, or give them the name of their image; names are compared as text, not as numbers or times"


def _common_start(a: str, b: str) -> str:
    return "".join(x for x, _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))
