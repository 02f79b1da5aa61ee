"""Predictions for image files, as files."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from taskscape.data.readers.images import ValueRange
from taskscape.evaluation import TestTimeAugmentation
from taskscape.inference.loading import load
from taskscape.inference.prediction import beyond, write_metadata
from taskscape.inference.sources import name_images
from taskscape.progress import ProgressCallback


def predict(
    run: str | Path,
    images: Sequence[str | Path],
    out: str | Path,
    *,
    height: int | None = None,
    native_resolution: bool = False,
    tta: TestTimeAugmentation | str | bool = False,
    view_settings: Mapping[str, Mapping[str, Any]] | None = None,
    image_range: ValueRange | None = None,
    confidence: bool = False,
    device: str = "auto",
    progress: ProgressCallback | None = None,
) -> list[Path]:
    """Predict images, and the images in folders, and return the files that were written.

    They are those of ``Prediction.save``; settings are those of ``load``. All views of a task have one color scale,
    that of the run's report. Warns where values are beyond what a file can hold. ``progress`` is called with the number
    of images done and of all. Raises ``ValueError`` at the end with the images that could not be read; the others are
    done.
    """
    out = Path(out)
    sources = name_images([Path(image) for image in images], out)
    predictor = load(
        run,
        height=height,
        native_resolution=native_resolution,
        tta=tta,
        view_settings=view_settings,
        image_range=image_range,
        confidence=confidence,
        device=device,
    )
    written = [write_metadata(predictor.views, out, predictor.confidence_views)]
    unreadable = []
    clipped: dict[str, dict[str, float]] = {}
    for done, (name, source) in enumerate(sources.items(), 1):
        try:
            prediction = predictor.predict(source)
        except (ValueError, PermissionError, FileNotFoundError) as error:
            unreadable.append(str(error))
        else:
            if prediction.views != predictor.views:  # the first one sets a scale that the run does not know
                predictor = replace(predictor, views=prediction.views)
                write_metadata(predictor.views, out, predictor.confidence_views)
            written += replace(prediction, name=name).save_images(out)
            for task, share in prediction.beyond_file().items():
                clipped.setdefault(task, {})[name] = share
        if progress is not None:
            progress(done, len(sources))
    for task, shares in clipped.items():
        warnings.warn(beyond(task, predictor.views[task], shares), stacklevel=2)
    if unreadable:
        raise ValueError("\n".join([f"{len(unreadable)} of {len(sources)} images were left out:", *unreadable]))
    return written
