"""Predictions of a trained network for an image, as arrays."""

import io
import json
import os
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, PngImagePlugin
from typing_extensions import override

from taskscape.data.manifest import Manifest
from taskscape.data.readers.images import ValueRange
from taskscape.data.sources import DataSource, Packed
from taskscape.evaluation import TestTimeAugmentation, find_tta
from taskscape.files import atomic_write, writing
from taskscape.files.paths import check_inside
from taskscape.inference.images import AnyImage, as_rgb
from taskscape.released import resolve
from taskscape.run_folder.calibration import Calibration
from taskscape.run_folder.names import RunFolder
from taskscape.run_folder.result import Result
from taskscape.runs.trained_model import TrainedModel
from taskscape.runs.trained_model import load as load_model
from taskscape.serialization import nearest
from taskscape.tasks import Task
from taskscape.views import ConfidenceView, RgbArray, View, view
from taskscape.views.arrays import Array
from taskscape.views.drawing import captioned, in_a_row, with_key

METADATA = "metadata.json"
"""Says how to read the files of predictions."""


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
    confidence: Mapping[str, Array] = field(default_factory=dict, kw_only=True)
    """How sure the network is, (H, W) float32 in 0..1, of the tasks that say it, such as those with classes. Empty
    unless it was asked for: ``load(run, confidence=True)``."""
    confidence_views: Mapping[str, ConfidenceView] = field(default_factory=dict, kw_only=True)
    """By task: what that number is, how it is shown and written."""

    @override
    def __getitem__(self, task: str) -> Array:
        """Return the values of a task. Raises ``KeyError``."""
        return self.arrays[task]

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(self.arrays)

    @override
    def __len__(self) -> int:
        return len(self.arrays)

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

        Small images are enlarged.
        """
        pictures = [captioned(self.image, "image")]
        for task, preview in self.previews().items():
            pictures.append(captioned(np.asarray(preview), task, self.views[task].preview_key()))
            if task in self.confidence:
                shown = self.confidence_views[task]
                pictures.append(captioned(shown.colorize(self.confidence[task]), f"{task} confidence", shown.key()))
        return Image.fromarray(in_a_row(pictures))

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

    def save_images(self, folder: Path) -> list[Path]:
        """Write the files of ``save`` without the last one. Raises ``ValueError`` where a link leads out of it."""
        check_inside(folder, (folder / self.name).parent)
        written = []
        for task, array in self.arrays.items():
            view = self.views[task]
            path = folder / f"{self.name}.{task}.{view.extension}"
            written.append(_save(view.encode(array), path, view.metadata()))
        for task, preview in self.previews().items():
            shown = with_key(np.asarray(preview), self.views[task].preview_key())
            written.append(_save(Image.fromarray(shown), folder / f"{self.name}.{task}-view.png"))
        for task, values in self.confidence.items():
            sure, start = self.confidence_views[task], f"{self.name}.{task}.confidence"
            written.append(_save(sure.encode(values), folder / f"{start}.png", sure.metadata()))
            picture = with_key(sure.colorize(values), sure.key())
            written.append(_save(Image.fromarray(picture), folder / f"{start}-view.png"))
        return [*written, _save(self.side_by_side(), folder / f"{self.name}.side-by-side.png")]


@dataclass(frozen=True, repr=False)
class Predictor:
    """A trained network that takes image files and arrays."""

    model: TrainedModel
    views: Mapping[str, View[Any]]
    """By task."""
    height: int | None
    """Images are scaled to this height for the network, and its output back to their size; None leaves them."""
    tta: TestTimeAugmentation | str | bool = field(default=False, kw_only=True)
    """Test-time augmentation; True is the mean of the predictions for the image and for its mirror image."""
    image_range: ValueRange | None = field(default=None, kw_only=True)
    """Black and white in images of more than 8 bits."""
    spreads: Mapping[str, float] = field(default_factory=dict, kw_only=True)
    """Of the tasks whose confidence is predicted too, with their calibration; 1 takes the network at its word."""
    confidence_views: Mapping[str, ConfidenceView] = field(default_factory=dict, kw_only=True)
    """Of these tasks: what the confidence is, how it is shown and written."""

    def __repr__(self) -> str:
        """Return the network in a line, and at which height it takes images."""
        height = "their own height" if self.height is None else f"height {self.height}"
        return f"Predictor({self.model.network!r}, images of {height}, on {self.model.device})"

    def predict(self, image: AnyImage) -> Prediction:
        """Predict an image: a file, an image of Pillow, (H, W, 3) RGB, or a tensor (3, H, W).

        uint8 is 0..255, floating-point numbers are 0..1; gray and transparent images are taken too. Raises
        ``ValueError`` for an image of another form or a file that is not an image, ``FileNotFoundError``.
        """
        prediction = self._prediction(as_rgb(image, self.image_range))
        return replace(prediction, name=Path(image).stem) if isinstance(image, str | os.PathLike) else prediction

    def _prediction(self, rgb: RgbArray) -> Prediction:
        values, confidence = self._values(rgb)
        views = {name: view.fit(view.comparable(values[name])) for name, view in self.views.items()}
        return Prediction(rgb, values, views, confidence=confidence, confidence_views=self.confidence_views)

    def _values(self, rgb: RgbArray) -> tuple[dict[str, Array], dict[str, Array]]:
        """Return the values and the confidence of each task that has them."""
        image = torch.tensor(rgb, device=self.model.device).permute(2, 0, 1)[None] / 255
        size = image.shape[-2:]
        if self.height is not None:
            width = max(round(size[1] * self.height / size[0]), 1)
            image = F.interpolate(image, (self.height, width), mode="bilinear", antialias=True)
        outputs = self.model.forward_tta(image, self.tta)
        values, confidence = {}, {}
        for name, task in self.model.tasks.items():
            raw = outputs.final[name].float()
            if raw.shape[-2:] != size:
                raw = F.interpolate(raw, size, mode="bilinear")  # before decoding: ids cannot be interpolated
            values[name] = task.modality.to_array(task.decode(raw))[0]
            sure = task.confidence_of(raw, self.spreads[name]) if name in self.spreads else None
            if sure is not None:
                confidence[name] = sure[0].cpu().numpy()
        return values, confidence


def load(
    run: str | Path,
    *,
    height: int | None = None,
    native_resolution: bool = False,
    tta: TestTimeAugmentation | str | bool = False,
    view_settings: Mapping[str, Mapping[str, Any]] | None = None,
    image_range: ValueRange | None = None,
    confidence: bool = False,
    device: str = "auto",
) -> Predictor:
    """Load the best network of a run to predict images, or a model by its name.

    ``run`` is the folder of a run, a released model such as ``taskscape/streets-small``, or ``user/name`` of a model on
    the hub, which is fetched and verified (``taskscape.hub.fetch``).

    Images are scaled to ``height`` for the network, by default that of the images it was evaluated on: a larger image
    of the same scene looks nearer. ``native_resolution`` leaves them as they are. ``tta`` is test-time augmentation:
    the mean of the predictions for the image and for its mirror image, or what its word says.

    ``view_settings`` change, by task, how values are shown and written: ``{"depth": {"unit": "cm"}}``. ``image_range``
    says which numbers are black and white in images of more than 8 bits, which are read as ``taskscape prepare`` reads
    them; by default what the description of the run's data said.

    With ``confidence`` predictions also say how sure the network is, of each task that can say it, calibrated where the
    run is.

    Raises ``ValueError`` for settings that do not fit each other or the run; ``FileNotFoundError`` or ``ValueError``
    that names the file, where the folder is not a trained run.

    >>> predictor = load("taskscape/streets-small", device="cpu")
    >>> prediction = predictor.predict(np.full((64, 96, 3), 128, np.uint8))
    >>> prediction["depth"].shape, prediction["semseg"].dtype
    ((64, 96), dtype('uint8'))
    """
    if height is not None and height < 1:
        raise ValueError(f"height is {height}: it must be at least 1")
    if height is not None and native_resolution:
        raise ValueError("height and native resolution exclude each other: give one of them")
    if image_range is not None and not image_range[0] < image_range[1]:
        raise ValueError(f"image range is {image_range[0]:g} {image_range[1]:g}: white must be greater than black")
    tta = find_tta(tta) or False
    run = resolve(run)
    model = load_model(run, device)
    if height is None and not native_resolution:
        height = Result.load(RunFolder(Path(run)).result()).size[0]
    settings = view_settings or {}
    for name in settings:
        if name not in model.tasks:
            raise ValueError(f"{run} has no task {name!r}{nearest(name, model.tasks)}")
    views = {}
    for name, task in model.tasks.items():
        shown = view(task.modality).with_settings(settings.get(name, {}), where=name)
        shown = shown if task.range is None else shown.within(*task.range)
        views[name] = fitted(shown, name, RunFolder(Path(run)).samples())
    if image_range is None:
        image_range = stated_range(model.experiment.data)
    spreads, sure = confidence_of(RunFolder(Path(run)), model.tasks) if confidence else ({}, {})
    return Predictor(model, views, height, tta=tta, image_range=image_range, spreads=spreads, confidence_views=sure)


def confidence_of(folder: RunFolder, tasks: Mapping[str, Task]) -> tuple[dict[str, float], dict[str, ConfidenceView]]:
    """Return the calibration and the view of each task that says how sure it is. Raises ``ValueError`` for none."""
    known = Calibration.load(folder.calibration).spreads if folder.calibration.exists() else {}
    said = {name: task.distribution for name, task in tasks.items() if task.distribution is not None}
    if not said:
        raise ValueError(
            f"{folder.path}: none of {', '.join(tasks)} says how sure it is: depth does with the loss laplace, normals "
            "with angular; train with them, or leave out confidence"
        )
    views = {name: ConfidenceView(of.confidence_words, name in known) for name, of in said.items()}
    return {name: known.get(name, 1.0) for name in said}, views


def stated_range(data: DataSource) -> ValueRange | None:
    """Return the range of images of more than 8 bits that a packed store was prepared with, if it is there and says."""
    if not isinstance(data, Packed):
        return None
    try:
        source = Manifest.of(data.path).source
    except (OSError, ValueError):  # predictions need no data
        return None
    description = source.get("description")
    stated = description.get("image_range") if isinstance(description, dict) else None
    if isinstance(stated, list) and len(stated) == 2:
        return float(stated[0]), float(stated[1])
    return (0.0, float(stated)) if isinstance(stated, int | float) else None


def fitted(view: View[Any], task: str, samples: Path) -> View[Any]:
    """Return a view with the scale that the run's report has, if the run has samples."""
    if not samples.is_file():
        return view
    with np.load(samples) as arrays:
        label, valid = f"{task}/label", f"{task}/valid"
        return view.fit(arrays[label], arrays[valid]) if label in arrays and valid in arrays else view


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


def _save(image: Image.Image, path: Path, about: Mapping[str, Any] | None = None) -> Path:
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
