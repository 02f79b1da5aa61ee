"""What the labels of a folder mean: the content of ``taskscape.yaml``."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from taskscape.data.manifest import IMAGE
from taskscape.data.readers.folder.section import Section
from taskscape.plain import read_yaml
from taskscape.serialization import nearest, offered, structure


@dataclass(frozen=True)
class Description:
    """What the labels of a folder mean."""

    images: str = "images"
    """The folder of the images."""
    splits: dict[str, float | str] | None = None
    """Per split a share or a number of the images, or a text file that lists names; None to go by subfolders."""
    sections: dict[str, Section] = field(default_factory=dict)
    """The fields by name."""

    @classmethod
    def load(cls, path: Path) -> "Description":
        """Read a description. Raises ``FileNotFoundError`` or ``ValueError`` that name the file and the key."""
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} is not there: it says what the labels mean; write one as docs/guide/own-data.md shows, or "
                "name it with --description"
            )
        content = read_yaml(path) or {}
        if not isinstance(content, Mapping):
            raise ValueError(f"{path} is not a mapping of sections such as semseg and depth")
        settings = {key: content[key] for key in ("images", "splits") if key in content}
        sections = {
            str(name): _section(str(name), section, path)
            for name, section in content.items()
            if name not in settings and section is not None
        }
        if not sections:
            raise ValueError(f"{path} describes no labels: give it a section {', '.join(offered(Section))} or another")
        return replace(structure(settings, str(path), cls), sections=sections)


def _section(name: str, section: Any, path: Path) -> Section:
    """Read the section of one field; its type is its name where it has no other."""
    known = offered(Section)
    if name == IMAGE:
        raise ValueError(f"{path}: the name {IMAGE} is that of the images themselves: name the section otherwise")
    if not isinstance(section, Mapping):
        raise ValueError(f"{path}: {name} is {section!r}: it must be a section, a mapping of keys")
    if "type" not in section and name not in known:
        raise ValueError(f"{path}: {name} needs a type, such as `type: {next(iter(known))}`{nearest(name, known)}")
    return structure({"type": name, **section}, f"{path}: {name}", Section)  # type: ignore[type-abstract]
