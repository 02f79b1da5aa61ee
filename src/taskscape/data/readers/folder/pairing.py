"""Find the images of a folder, and the labels of each field that belong to them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from taskscape.data.readers.files import normalized, require
from taskscape.data.readers.folder.description import Description
from taskscape.data.readers.folder.matching import Matches, find_files
from taskscape.data.readers.folder.splits import is_split
from taskscape.data.readers.images import SUFFIXES
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
        label_folders = [_resolve_folders(raw, name) for name in folder_names]
        image_folders = _resolve_folders(raw, description.images)
        # An absolute path stays the same when it is joined to the raw folder.
        missing = [name for name in (description.images, *folder_names) if not _resolve_folders(raw, name)]
        require(raw, [str(with_home(name)) for name in missing], f"Make them, or name others in {path}")
        return cls(description, path, image_folders, dict(zip(description.sections, label_folders, strict=True)))

    def images(self) -> Matches:
        """Return the images. Raises ``ValueError`` if there are none."""
        suffixes = self._suffixes_of_labels(self.image_folders)
        images = find_files(self.image_folders, SUFFIXES, self.description.suffix, suffixes)
        if not images.files:
            raise ValueError(
                f"{images.folder_names} holds no images: fill it, or name another in {self.path}"
                f"{_unused_reasons(images)}"
            )
        return images

    def labels(self, name: str, images: Matches) -> Matches:
        """Return the labels of a field. Raises ``ValueError`` if there are none, or if one has no image."""
        section, folders = self.description.sections[name], self.label_folders[name]
        labels = find_files(folders, LABEL_SUFFIXES, section.suffix, self._suffixes_of_labels(folders, but=name))
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
                f"{self.description.images}/, such as {unmatched[0]}: {_remedy_for(unmatched, images, name)}"
            )
        return labels

    def _suffixes_of_labels(self, folders: _Folders, but: str | None = None) -> list[str]:
        """Return the suffixes of the labels in these folders, except those of the field ``but``."""
        return [
            section.suffix
            for name, section in self.description.sections.items()
            if name != but and section.suffix and self.label_folders[name] == folders
        ]


def _resolve_folders(raw: Path, folder: str) -> _Folders:
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
