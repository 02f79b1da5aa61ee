"""Write and read the files of predictions."""

import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin

from taskscape.files import atomic_write, writing
from taskscape.files.paths import check_inside
from taskscape.serialization import counted
from taskscape.views import ConfidenceView, View

METADATA = "metadata.json"
"""File that describes how to read the files of predictions."""


def endings(views: Mapping[str, View[Any]], confidence: Iterable[str]) -> list[str]:
    """Return what follows ``NAME.`` in the names of the files of ``Prediction.save``."""
    maps = [f"{task}.{view.extension}" for task, view in views.items()]
    pictures = [f"{task}-view.png" for task in views]
    confidences = [f"{task}.confidence{end}.png" for task in confidence for end in ("", "-view")]
    return [*maps, *pictures, *confidences, "side-by-side.png"]


def beyond(task: str, view: View[Any], shares: Mapping[str, float]) -> str:
    """Return a sentence about values that a task's file cannot store, given the share of such pixels by image name."""
    worst = max(shares, key=lambda name: shares[name])
    sentence = (
        f"{task}: in {counted(len(shares), 'image', 'images')}, such as {worst} ({100 * shares[worst]:.1f} % of its "
        f"pixels), values are larger than the files can store, and are stored as the maximum (given in {METADATA})"
    )
    return f"{sentence}: {view.file_remedy}" if view.file_remedy else sentence


def write_metadata(views: Mapping[str, View[Any]], folder: Path, confidence: Mapping[str, ConfidenceView]) -> Path:
    """Write ``metadata.json``, which describes how to read the files of predictions, and return its path.

    Creates the folder.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    content = {name: dict(view.metadata()) for name, view in views.items()}
    for name, confidence_view in confidence.items():
        content[name]["confidence_file"] = dict(confidence_view.metadata())
    atomic_write(folder / METADATA, json.dumps(content, indent=1))
    return folder / METADATA


def read_metadata(folder: Path) -> dict[str, Any]:
    """Return the metadata of the predictions in a folder by task; empty if there are none."""
    try:
        content = json.loads((folder / METADATA).read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def save_image(image: Image.Image, folder: Path, name: str, about: Mapping[str, Any] | None = None) -> Path:
    """Write an image file in the format of its extension, and return its path.

    ``name`` may contain folders. A PNG contains ``about`` as text. Raises ``ValueError`` if a link leads out of
    ``folder``, and ``OSError`` naming the file.
    """
    return save_file(encoded(image, Path(name).suffix, about), folder, name)


def save_file(content: bytes | memoryview | str, folder: Path, name: str) -> Path:
    """Write a file, whose name may contain folders, and return its path. Raises as ``save_image`` does."""
    path = folder / name
    check_inside(folder, path.parent)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, content)
    return path


def encoded(image: Image.Image, extension: str, about: Mapping[str, Any] | None = None) -> bytes:
    """Return the content of an image file with this extension, such as ``.png``.

    A PNG contains ``about`` as text, so that its unit is known even without ``metadata.json``.
    """
    content, form = io.BytesIO(), Image.registered_extensions()[extension]
    if form == "PNG" and about:
        texts = PngImagePlugin.PngInfo()
        texts.add_itxt("Description", json.dumps(about, ensure_ascii=False))
        image.save(content, form, pnginfo=texts)
    else:
        image.save(content, form)
    return content.getvalue()
