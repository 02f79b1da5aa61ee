"""What a network predicts for an image, as arrays, as pictures and as files."""

import io
import json
import math
import warnings
from collections.abc import Iterator, Mapping
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
"""Says how to read the files of predictions."""
PICTURE = 1 << 23
"""Pixels from which pictures for people are smaller than the image."""


@dataclass(frozen=True, eq=False, repr=False)
class Prediction(Mapping[str, Array]):
    """What a network predicts for one image: an array per task, at the size of the image.

    ``prediction["depth"]`` is what the modality of the task ``depth`` says: (H, W) uint8 class ids, (H, W) float32
    metres, (H, W, 3) float32 unit vectors, …
    """

    image: RgbArray
    """(H, W, 3)."""
    arrays: Mapping[str, Array]
    """By task."""
    views: Mapping[str, View[Any]]
    """By task: how its values are shown and written."""
    name: str = "image"
    """What the names of its files start with."""
    file: Path | None = None
    """The file of the image, where it has one."""
    number: int = 0
    """Its place among the images that are predicted one after the other."""
    confidence: Mapping[str, Array] = field(default_factory=dict, kw_only=True)
    """How sure the network is, (H, W) float32 in 0..1, of the tasks that say it, such as those with classes. Empty
    unless it was asked for: ``load(run, confidence=True)``."""
    confidence_views: Mapping[str, ConfidenceView] = field(default_factory=dict, kw_only=True)
    """By task: what that number is, how it is shown and written."""

    @override
    def __getitem__(self, task: str) -> Array:
        """Return the values of a task. Raises ``KeyError`` with the nearest names."""
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
        """Return an image for people per task, of the size of the image."""
        return {
            task: Image.fromarray(self.views[task].preview(self.image, array)) for task, array in self.arrays.items()
        }

    def side_by_side(self) -> Image.Image:
        """Return the image and the preview of every task in one row, with their names and what their colors mean.

        Small images are enlarged, those of more than ``PICTURE`` pixels made smaller.
        """
        small = self.for_pictures()
        pictures = [captioned(small.image, "image")]
        for task, preview in small.previews().items():
            word = self.views[task].modality.called(task)
            pictures.append(captioned(np.asarray(preview), word, self.views[task].preview_key()))
            if task in self.confidence:
                shown = self.confidence_views[task]
                pictures.append(captioned(shown.colorize(small.confidence[task]), f"{word}, confidence", shown.key()))
        return Image.fromarray(in_a_row(pictures))

    def for_pictures(self) -> Self:
        """Return the same prediction with fewer rows and columns, where the image has more than ``PICTURE`` pixels."""
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
        """Return, by task, the share of pixels whose value the task's file cannot hold, where there are any."""
        masks = {task: self.views[task].beyond_file(array) for task, array in self.arrays.items()}
        return {task: float(mask.mean()) for task, mask in masks.items() if mask is not None and mask.any()}

    def show(self) -> None:
        """Open ``side_by_side`` in the image viewer of the system; nothing happens where there is none.

        A notebook shows a prediction by itself where it ends a cell.
        """
        self.side_by_side().show()

    def _repr_png_(self) -> bytes:
        """Return ``side_by_side`` for notebooks."""
        return _encoded(self.side_by_side(), ".png")

    @checked
    def save(self, folder: str | Path) -> list[Path]:
        """Write the files that ``taskscape predict`` writes, and return their paths.

        For an image NAME and every task TASK these are ``NAME.TASK.png`` for programs and ``NAME.TASK-view.png`` for
        people; ``NAME.side-by-side.png``; and ``metadata.json``, which says how to read the first ones. Of tasks with a
        ``confidence`` there are ``NAME.TASK.confidence.png``, 16-bit gray with 65535 for 1, and
        ``NAME.TASK.confidence-view.png``. Warns where values are beyond what a file can hold.
        """
        for task, share in self.beyond_file().items():
            warnings.warn(beyond(task, self.views[task], {self.name: share}), stacklevel=2)
        metadata = write_metadata(self.views, Path(folder), self.confidence_views)
        return [metadata, *self.save_images(Path(folder))]

    def save_images(self, folder: Path, *, pictures: bool = True) -> list[Path]:
        """Write the files of ``save`` but ``metadata.json``, without ``pictures`` only those for programs.

        Raises ``ValueError`` where a link leads out of the folder.
        """
        written = []
        for task, array in self.arrays.items():
            view = self.views[task]
            name = f"{self.name}.{task}.{view.extension}"
            written.append(save_image(view.encode(array), folder, name, view.metadata()))
        small = self.for_pictures()
        for task, preview in small.previews().items() if pictures else ():
            shown = with_key(np.asarray(preview), self.views[task].preview_key())
            written.append(save_image(Image.fromarray(shown), folder, f"{self.name}.{task}-view.png"))
        for task, values in self.confidence.items():
            sure, start = self.confidence_views[task], f"{self.name}.{task}.confidence"
            written.append(save_image(sure.encode(values), folder, f"{start}.png", sure.metadata()))
            if pictures:
                picture = with_key(sure.colorize(small.confidence[task]), sure.key())
                written.append(save_image(Image.fromarray(picture), folder, f"{start}-view.png"))
        if pictures:
            written.append(save_image(self.side_by_side(), folder, f"{self.name}.side-by-side.png"))
        return written


def beyond(task: str, view: View[Any], shares: Mapping[str, float]) -> str:
    """Return a sentence about values that a task's file cannot hold: the share of pixels by the name of the image."""
    worst = max(shares, key=lambda name: shares[name])
    images = "image" if len(shares) == 1 else "images"
    sentence = (
        f"{task}: in {len(shares)} {images}, such as {worst} ({100 * shares[worst]:.1f} % of its pixels), values are "
        f"beyond what the files hold, and are stored as the largest one ({METADATA} says it)"
    )
    return f"{sentence}: {view.file_remedy}" if view.file_remedy else sentence


def write_metadata(
    views: Mapping[str, View[Any]], folder: Path, confidence: Mapping[str, ConfidenceView] = MappingProxyType({})
) -> Path:
    """Write how to read the files of predictions, and return the path. Makes the folder."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    content = {name: dict(view.metadata()) for name, view in views.items()}
    for name, sure in confidence.items():
        content[name]["confidence_file"] = dict(sure.metadata())
    atomic_write(folder / METADATA, json.dumps(content, indent=1))
    return folder / METADATA


def read_metadata(folder: Path) -> dict[str, Any]:
    """Return how to read the files of predictions in a folder, by task; nothing where it does not say so."""
    try:
        content = json.loads((folder / METADATA).read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def save_image(image: Image.Image, folder: Path, name: str, about: Mapping[str, Any] | None = None) -> Path:
    """Write an image file, whose extension says the format, and return its path.

    ``name`` may have folders. A PNG says ``about`` as text. Raises ``ValueError`` where a link leads out of ``folder``,
    ``OSError`` that names the file.
    """
    path = folder / name
    check_inside(folder, path.parent)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, _encoded(image, path.suffix, about))
    return path


def _encoded(image: Image.Image, extension: str, about: Mapping[str, Any] | None = None) -> bytes:
    """Return the content of an image file with that extension, such as ``.png``.

    ``about`` stands in a PNG as text, so that its unit is not lost where the file goes alone.
    """
    content, form = io.BytesIO(), Image.registered_extensions()[extension]
    if form == "PNG" and about:
        texts = PngImagePlugin.PngInfo()
        texts.add_itxt("Description", json.dumps(about, ensure_ascii=False))
        image.save(content, form, pnginfo=texts)
    else:
        image.save(content, form)
    return content.getvalue()
