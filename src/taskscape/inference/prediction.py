"""A network's predictions for an image, as arrays, pictures and files."""

import math
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from PIL import Image
from typing_extensions import override

from taskscape.inference.saving import beyond, encoded, save_image, write_metadata
from taskscape.modalities.base import Array
from taskscape.serialization import nearest
from taskscape.serialization.arguments import checked
from taskscape.views import ConfidenceView, RgbArray, View
from taskscape.views.drawing import captioned, in_a_row, with_key

PICTURE = 1 << 23
"""Maximum number of pixels of pictures for viewing; those of larger images are reduced."""


@dataclass(frozen=True, eq=False, repr=False)
class Prediction(Mapping[str, Array]):
    """A network's predictions for one image: one array per task, at the size of the image.

    The type of ``prediction[task]`` depends on the task's modality: (H, W) uint8 class ids, (H, W) float32 meters,
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
        return encoded(self.side_by_side(), ".png")

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
