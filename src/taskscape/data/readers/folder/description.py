"""Description of the labels of a folder: the content of ``taskscape.yaml``."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from taskscape.data.manifest import IMAGE
from taskscape.data.readers.folder.section import Section
from taskscape.data.readers.images import ValueRange
from taskscape.files.paths import is_file_name
from taskscape.serialization import nearest, offered, structure, unstructure
from taskscape.serialization.plain import MOST_YAML_BYTES, read_yaml

_SETTINGS = ("images", "suffix", "image_range", "splits")


@dataclass(frozen=True)
class Description:
    """Description of the images and labels of a folder."""

    images: str = "images"
    """The folder of the images, which can be outside the raw folder."""
    splits: dict[str, float | str | tuple[str, ...]] | None = None
    """Per split: a share or number of the images, a text file that lists names, a subfolder of the images, or a list of
    these. None for the subfolders, or, if there are none, 0.9 for train and 0.1 for val."""
    sections: dict[str, Section] = field(default_factory=dict)
    """The fields by name."""
    suffix: str = ""
    """Suffix of the images' names, after the name that they share with their labels."""
    image_range: float | tuple[float, float] | None = None
    """The value of white, or the values of black and white, in images of more than 8 bits."""

    def __post_init__(self) -> None:
        """Check the range. Raises ``ValueError``."""
        if self.image_range is not None:
            black, white = self.value_range or (0.0, 0.0)
            if not (math.isfinite(black) and math.isfinite(white) and black < white):
                raise ValueError(
                    f"image_range is {self.image_range}: give the value of white, such as 4095, or those of black and "
                    "white, [0, 4095]"
                )

    @property
    def value_range(self) -> ValueRange | None:
        """The values of black and white."""
        return self.image_range if isinstance(self.image_range, tuple | None) else (0.0, self.image_range)

    @classmethod
    def load(cls, path: Path) -> "Description":
        """Read a description. Raises ``FileNotFoundError`` or ``ValueError`` that name the file and the key."""
        if not path.is_file():
            if other := _similar_file(path):
                raise FileNotFoundError(
                    f"{path} is not there, but {other} is: rename it, or name it with --description"
                )
            raise FileNotFoundError(
                f"{path} is not there: it describes the labels; write one as shown in docs/guide/own-data.md, or name "
                "it with --description"
            )
        if path.stat().st_size > MOST_YAML_BYTES:
            raise ValueError(
                f"{path} is larger than {MOST_YAML_BYTES} bytes: list images in text files, one per line, and name "
                "these, such as `splits: {train: train.txt, val: val.txt}`"
            )
        content = read_yaml(path) or {}
        if not isinstance(content, Mapping):
            raise ValueError(f"{path} is not a mapping of sections such as semseg and depth")
        lines, classes = _lines_and_classes(path)
        splits = content.get("splits")
        for split, choice in splits.items() if isinstance(splits, Mapping) else ():
            if isinstance(choice, bool) or not isinstance(choice, int | float | str | list):
                raise ValueError(
                    f"{path}: splits: {split} is {choice!r}: give a share of the images such as 0.1, their number, a "
                    "text file, a subfolder, or a list of subfolders"
                )
            if isinstance(choice, list) and (bare := [name for name in choice if not isinstance(name, str)]):
                raise ValueError(f"{path}: splits: {split} lists {bare[0]!r}: put names into quotes, as ['001', '002']")
        settings = {key: content[key] for key in _SETTINGS if key in content}
        sections = {}
        for name, section in content.items():
            if name in settings:
                continue
            if name in classes and isinstance(section, Mapping):
                section = {**section, "classes": classes[name]}
            try:
                sections[str(name)] = _section(str(name), {} if section is None else section, path)
            except ValueError as error:
                raise ValueError(f"{error} (line {lines[name]})" if name in lines else str(error)) from error
        if not sections:
            raise ValueError(f"{path} describes no labels: give it a section {', '.join(offered(Section))} or another")
        return replace(structure(settings, str(path), cls), sections=sections)

    def recorded(self) -> dict[str, Any]:
        """Return the description for the manifest, without unused settings."""
        content: dict[str, Any] = unstructure(self)
        for settings in (content, *content["sections"].values()):
            for name in ("suffix", "image_range"):
                if not settings.get(name, True):
                    del settings[name]
        return content


def _similar_file(path: Path) -> str:
    """Return the name of a file such as taskscape.yml, Taskscape.yaml or taskscape.yaml.txt; empty if there is none."""
    names = sorted(other.name for other in path.parent.iterdir() if other.is_file()) if path.parent.is_dir() else []
    return next((name for name in names if re.match(rf"{re.escape(path.stem)}\.ya?ml\b", name, re.IGNORECASE)), "")


def _section(name: str, section: Any, path: Path) -> Section:
    """Read the section of one field; by default its type is its name."""
    section_types = offered(Section)
    if name == IMAGE:
        raise ValueError(f"{path}: the name {IMAGE} is reserved for the images: name the section otherwise")
    if not isinstance(section, Mapping):
        raise ValueError(f"{path}: {name} is {section!r}: it must be a section, a mapping of keys")
    if not is_file_name(name):
        raise ValueError(f"{path}: {name!r} cannot be the name of a file: name the section otherwise")
    if "type" not in section and name not in section_types:
        raise ValueError(
            f"{path}: {name} needs a type, such as `type: {next(iter(section_types))}`"
            f"{nearest(name, [*section_types, *_SETTINGS])}"
        )
    keys = {"type": name, **section}
    section_type = section_types.get(keys["type"]) if isinstance(keys["type"], str) else None
    if section_type is not None and issubclass(section_type, Section):
        try:
            keys = section_type.plain(keys)
        except ValueError as error:
            raise ValueError(f"{path}: {name}: {error}") from error
    return structure(keys, f"{path}: {name}", Section)  # type: ignore[type-abstract]


def _lines_and_classes(path: Path) -> tuple[dict[Any, int], dict[Any, Any]]:
    """Return the line of every section, and its classes with their names as written.

    YAML would read the name ``no`` as false and ``null`` as None.
    """
    lines: dict[Any, int] = {}
    classes: dict[Any, Any] = {}
    loader = yaml.SafeLoader(path.read_text(encoding="utf-8-sig"))
    try:
        root = loader.get_single_node()
        if isinstance(root, yaml.MappingNode):
            for key, section in root.value:
                lines[key.value] = key.start_mark.line + 1
                for entry, value in section.value if isinstance(section, yaml.MappingNode) else ():
                    if entry.value == "classes" and isinstance(value, yaml.CollectionNode):
                        _keep_names(value)
                        classes[key.value] = loader.construct_document(value)
    finally:
        loader.dispose()
    return lines, classes


def _keep_names(node: yaml.CollectionNode) -> None:
    for item in node.value:
        name = item[1] if isinstance(node, yaml.MappingNode) else item
        if isinstance(name, yaml.ScalarNode):
            name.tag = "tag:yaml.org,2002:str"
