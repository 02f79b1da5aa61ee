"""A network's predictions for an image, as arrays, pictures and files."""

import io
import json
import math
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import numpy as np
from PIL import Image, PngImagePlugin
from typing_extensions import override

from taskscape.files import atomic_write, writing
from taskscape.files.paths import check_inside
from taskscape.serialization import nearest
from taskscape.serialization.arguments import checked
from taskscape.views import ConfidenceView, RgbArray, View
from taskscape.views.arrays import Array
from taskscape.views.drawing import captioned, in_a_row, with_key

METADATA = "metadata.json"
"""File that describes how to read the files of predictions."""
PICTURE = 1 << 23
"""Maximum number of pixels of pictures for viewing; those of larger images are reduced."""


@dataclass(frozen=True, eq=False, repr=False)
class Prediction(Mapping[str, Array]):
    """A network's predictions for one image: one array per task, at the size of the image.

    The type of ``prediction[task]`` depends on the task's modality: (H, W) uint8 class ids, (H, W) float32 metres,
    (H, W, 3) float32 unit vectors, …
    """

    image: RgbArray
    """The image, (H, W, 3)."""
    arrays: Mapping[str, Array]
    """Predicted values by task."""
    views: Mapping[str, View[Any]]
    """By task, how its values are shown and written."""
    name: str = "image"
    """Start of the names of the prediction's files."""
    file: Path | None = None
    """The file of the image, if it has one."""
    number: int = 0
    """Position of the image in a sequence of predicted images."""
    confidence: Mapping[str, Array] = field(default_factory=dict, kw_only=True)
    """Confidence by task, (H, W) float32 in 0..1, for tasks that support it, such as those with classes. Empty unless
    requested with ``load(run, confidence=True)``."""
    confidence_views: Mapping[str, ConfidenceView] = field(default_factory=dict, kw_only=True)
    """By task, what its confidence means and how it is shown and written."""

    @override
    def __getitem__(self, task: str) -> Array:
        """Return the values of a task. Raises ``KeyError``, which suggests similar names."""
        if task not in self.arrays:
            raise KeyError(f"there is no task {task!r}{nearest(str(task), self.arrays)}")
        return self.arrays[task]

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(self.arrays)

    @override
    def __len__(self) -> int:
        return len(self.arrays)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the image, in pixels."""
        return self.image.shape[0], self.image.shape[1]

    def __repr__(self) -> str:
        shapes = ", ".join(f"{task}: {array.dtype} {array.shape}" for task, array in self.arrays.items())
        return f"Prediction({self.name!r}, {shapes})"

    def previews(self) -> dict[str, Image.Image]:
        """Return one picture for viewing per task, at the size of the image."""
        return {
            task: Image.fromarray(self.views[task].preview(self.image, array)) for task, array in self.arrays.items()
        }

    def side_by_side(self) -> Image.Image:
        """Return the image and the preview of every task in one row, with titles and color keys.

        Small images are enlarged; images of more than ``PICTURE`` pixels are reduced.
        """
        reduced = self.for_pictures()
        pictures = [captioned(reduced.image, "image")]
        for task, preview in reduced.previews().items():
            title = self.views[task].modality.display_name(task)
            pictures.append(captioned(np.asarray(preview), title, self.views[task].preview_key()))
            if task in self.confidence:
                view = self.confidence_views[task]
                pictures.append(captioned(view.colorize(reduced.confidence[task]), f"{title}, confidence", view.key()))
        return Image.fromarray(in_a_row(pictures))

    def for_pictures(self) -> Self:
        """Return the prediction, with fewer rows and columns if the image has more than ``PICTURE`` pixels."""
        step = math.ceil(math.sqrt(self.size[0] * self.size[1] / PICTURE))
        if step <= 1:
            return self
        return replace(
            self,
            image=np.asarray(Image.fromarray(self.image).reduce(step)),
            arrays={task: array[::step, ::step] for task, array in self.arrays.items()},
            confidence={task: array[::step, ::step] for task, array in self.confidence.items()},
        )

    def beyond_file(self) -> dict[str, float]:
        """Return the share of pixels whose value the task's file cannot store, by task, for tasks with such pixels."""
        masks = {task: self.views[task].beyond_file(array) for task, array in self.arrays.items()}
        return {task: float(mask.mean()) for task, mask in masks.items() if mask is not None and mask.any()}

    def show(self) -> None:
        """Open ``side_by_side`` in the system's image viewer; does nothing if there is none.

        Notebooks display a prediction automatically if it is the last expression of a cell.
        """
        self.side_by_side().show()

    def _repr_png_(self) -> bytes:
        """Return ``side_by_side`` for notebooks."""
        return _encoded(self.side_by_side(), ".png")

    @checked
    def save(self, folder: str | Path) -> list[Path]:
        """Write the files that ``taskscape predict`` writes, and return their paths.

        For an image NAME and every task TASK these are ``NAME.TASK.png`` for programs and ``NAME.TASK-view.png`` for
        viewing; ``NAME.side-by-side.png``; and ``metadata.json``, which describes how to read ``NAME.TASK.png``. Tasks
        with a ``confidence`` also have ``NAME.TASK.confidence.png``, 16-bit gray with 65535 for 1, and
        ``NAME.TASK.confidence-view.png``. Warns about values that a file cannot store.
        """
        for task, share in self.beyond_file().items():
            warnings.warn(beyond(task, self.views[task], {self.name: share}), stacklevel=2)
        metadata = write_metadata(self.views, Path(folder), self.confidence_views)
        return [metadata, *self.save_images(Path(folder))]

    def save_images(self, folder: Path, *, pictures: bool = True) -> list[Path]:
        """Write the files of ``save`` except ``metadata.json``, and without ``pictures`` only those for programs.

        Raises ``ValueError`` if a link leads out of the folder.
        """
        written = []
        for task, array in self.arrays.items():
            view = self.views[task]
            name = f"{self.name}.{task}.{view.extension}"
            written.append(save_image(view.encode(array), folder, name, view.metadata()))
        reduced = self.for_pictures()
        for task, preview in reduced.previews().items() if pictures else ():
            shown = with_key(np.asarray(preview), self.views[task].preview_key())
            written.append(save_image(Image.fromarray(shown), folder, f"{self.name}.{task}-view.png"))
        for task, values in self.confidence.items():
            confidence_view, stem = self.confidence_views[task], f"{self.name}.{task}.confidence"
            written.append(
                save_image(confidence_view.encode(values), folder, f"{stem}.png", confidence_view.metadata())
            )
            if pictures:
                picture = with_key(confidence_view.colorize(reduced.confidence[task]), confidence_view.key())
                written.append(save_image(Image.fromarray(picture), folder, f"{stem}-view.png"))
        if pictures:
            written.append(save_image(self.side_by_side(), folder, f"{self.name}.side-by-side.png"))
        return written


def endings(views: Mapping[str, View[Any]], confidence: Iterable[str]) -> list[str]:
    """Return what follows ``NAME.`` in the names of the files of ``Prediction.save``."""
    maps = [f"{task}.{view.extension}" for task, view in views.items()]
    pictures = [f"{task}-view.png" for task in views]
    confidences = [f"{task}.confidence{end}.png" for task in confidence for end in ("", "-view")]
    return [*maps, *pictures, *confidences, "side-by-side.png"]


def beyond(task: str, view: View[Any], shares: Mapping[str, float]) -> str:
    """Return a sentence about values that a task's file cannot store, given the share of such pixels by image name."""
    worst = max(shares, key=lambda name: shares[name])
    images = "image" if len(shares) == 1 else "images"
    sentence = (
        f"{task}: in {len(shares)} {images}, such as {worst} ({100 * shares[worst]:.1f} % of its pixels), values are "
        f"larger than the files can store, and are stored as the maximum (given in {METADATA})"
    )
    return f"{sentence}: {view.file_remedy}" if view.file_remedy else sentence


def write_metadata(
    views: Mapping[str, View[Any]], folder: Path, confidence: Mapping[str, ConfidenceView] = MappingProxyType({})
) -> Path:
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
    return save_file(_encoded(image, Path(name).suffix, about), folder, name)


def save_file(content: bytes | memoryview | str, folder: Path, name: str) -> Path:
    """Write a file, whose name may contain folders, and return its path. Raises as ``save_image`` does."""
    path = folder / name
    check_inside(folder, path.parent)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, content)
    return path


def _encoded(image: Image.Image, extension: str, about: Mapping[str, Any] | None = None) -> bytes:
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
