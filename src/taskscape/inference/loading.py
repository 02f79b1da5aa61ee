"""Load the trained network of a run, or a named model, as a predictor."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from taskscape.data.manifest import Manifest
from taskscape.data.readers.images import ValueRange
from taskscape.data.sources import DataSource, Packed
from taskscape.evaluation import TestTimeAugmentation, find_tta
from taskscape.inference.checks import check_scaling
from taskscape.inference.predictor import Predictor
from taskscape.inference.tiles import Tiles
from taskscape.released import resolve
from taskscape.run_folder.calibration import Calibration
from taskscape.run_folder.names import RunFolder
from taskscape.run_folder.result import Result
from taskscape.run_folder.samples import Samples, read_samples
from taskscape.runs.trained_model import load as load_model
from taskscape.serialization import nearest
from taskscape.serialization.arguments import checked
from taskscape.serialization.ranges import Count
from taskscape.tasks import Task
from taskscape.views import ConfidenceView, View, view


@checked
def load(
    run: str | Path,
    *,
    height: Count | None = None,
    native_resolution: bool = False,
    tta: TestTimeAugmentation | str | bool = False,
    view_settings: Mapping[str, Mapping[str, Any]] | None = None,
    image_range: ValueRange | None = None,
    confidence: bool = False,
    tasks: Sequence[str] = (),
    tiles: Tiles | None = None,
    batch: Count = 1,
    device: str | torch.device = "auto",
) -> Predictor:
    """Load the best network of a run, or a named model, to predict images.

    ``run`` is the folder of a run, a released model such as ``taskscape/streets-small``, or ``user/name`` of a model on
    the hub, which is downloaded and verified (``taskscape.hub.fetch``).

    Images are scaled to ``height`` for the network, by default the height of the images it was evaluated on: in a
    larger image, the same scene looks nearer. ``native_resolution`` skips the scaling. ``tta`` is test-time
    augmentation: ``True`` averages the predictions for the image and for its mirror image; other kinds are named as for
    ``taskscape.evaluation.find_tta``.

    ``view_settings`` change, by task, how values are shown and written: ``{"depth": {"unit": "cm"}}``. ``image_range``
    gives the values of black and white in images of more than 8 bits, which are read as ``taskscape prepare`` reads
    them; by default those in the description of the run's data.

    ``tasks`` selects the tasks to predict, by default all; layers that only other tasks need are not computed.
    ``tiles`` divides large images into tiles and leaves them at their own height unless ``height`` is given. Up to
    ``batch`` tiles are computed together, and images of one size by ``taskscape.inference.predict.predict``.

    With ``confidence``, predictions include a confidence for each task that supports it, calibrated if the run is.

    Raises ``ValueError`` for settings that do not fit each other or the run, and ``FileNotFoundError`` or
    ``ValueError`` naming the file if the folder is not a trained run.

    >>> import numpy as np
    >>> predictor = load("taskscape/streets-small", device="cpu")
    >>> prediction = predictor.predict(np.full((64, 96, 3), 128, np.uint8))
    >>> prediction["depth"].shape, prediction["semseg"].dtype
    ((64, 96), dtype('uint8'))
    """
    check_scaling(height, image_range, native_resolution=native_resolution)
    tta = find_tta(tta) or False
    run = resolve(run)
    model = load_model(run, device)
    if tasks:
        model = model.restricted(tasks)
    evaluated = Result.load(RunFolder(Path(run)).result()).size
    if tiles is not None and tiles.size is None:
        tiles = replace(tiles, size=evaluated)
    if height is None and not native_resolution and tiles is None:
        height = evaluated[0]
    views = _views(run, model.tasks, view_settings or {})
    if image_range is None:
        image_range = stated_range(model.experiment.data)
    spreads, confidence_views = confidence_of(RunFolder(Path(run)), model.tasks) if confidence else ({}, {})
    return Predictor(
        model,
        views,
        height,
        evaluated,
        tta=tta,
        image_range=image_range,
        spreads=spreads,
        confidence_views=confidence_views,
        tiles=tiles,
        batch=batch,
    )


def _views(
    run: str | Path, tasks: Mapping[str, Task], settings: Mapping[str, Mapping[str, Any]]
) -> dict[str, View[Any]]:
    """Return the view of each task, with the color scale of the run's report and with these settings by task.

    Raises ``ValueError`` for a task that the run does not have, and as ``View.with_settings`` does.
    """
    for name in settings:
        if name not in tasks:
            raise ValueError(f"{run} has no task {name!r}{nearest(name, tasks)}")
    views, samples = {}, read_samples(RunFolder(Path(run)).samples())
    for name, task in tasks.items():
        task_view = view(task.modality).with_settings(settings.get(name, {}), where=name)
        task_view = task_view if task.range is None else task_view.within(*task.range)
        views[name] = fitted(task_view, name, samples)
    return views


def confidence_of(folder: RunFolder, tasks: Mapping[str, Task]) -> tuple[dict[str, float], dict[str, ConfidenceView]]:
    """Return the calibration and view of each task with a confidence. Raises ``ValueError`` if there are none."""
    spreads = Calibration.spreads_of(folder)
    distributions = {name: task.distribution for name, task in tasks.items() if task.distribution is not None}
    if not distributions:
        raise ValueError(
            f"{folder.path}: none of {', '.join(tasks)} predicts a confidence: depth does with the loss laplace, "
            "normals with angular; train with these, or leave out confidence"
        )
    views = {
        name: ConfidenceView(distribution.confidence_words, name in spreads)
        for name, distribution in distributions.items()
    }
    return {name: spreads.get(name, 1.0) for name in distributions}, views


def stated_range(data: DataSource) -> ValueRange | None:
    """Return the image range that a packed store was prepared with; None without a store or a stated range."""
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


def fitted(view: View[Any], task: str, samples: Samples) -> View[Any]:
    """Return a view with the color scale of the run's report, if the run has samples."""
    label, valid = (samples.get(f"{task}/{part}") for part in ("label", "valid"))
    return view if label is None or valid is None else view.fit(label, valid)
