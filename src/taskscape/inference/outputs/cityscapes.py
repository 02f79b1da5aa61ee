"""Label files as the evaluation server of Cityscapes takes them.

It takes 8-bit PNG files of the images' size with the ids of ``labels.py`` (7 road, 8 sidewalk, 11 building, …), not the
numbers 0 … 18 that networks are trained with. A file belongs to the image CITY_SEQUENCE_FRAME where its name starts
with this and ends in ``.png``; two such files of one image are an error, so they stand in a folder of their own.
https://github.com/mcordts/cityscapesScripts, ``evalPixelLevelSemanticLabeling.py``.
"""

import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from typing_extensions import override

from taskscape.inference.outputs.base import Output, Writer
from taskscape.inference.prediction import Prediction, save_image
from taskscape.inference.predictor import Predictor
from taskscape.modalities.class_sets import CITYSCAPES_19, CITYSCAPES_RAW_IDS_OF_19
from taskscape.views import View

FOLDER = "cityscapes"
ENDING = "_leftImg8bit"
"""Of the names of images."""
NAME = re.compile(r"[^/]+_\d{6}_\d{6}")


@dataclass(frozen=True)
class CityscapesLabels(Output):
    """cityscapes/IMAGE.png with label ids, for the evaluation server of Cityscapes."""

    @override
    def writer(self, predictor: Predictor, folder: Path, files: Sequence[Path] = ()) -> Writer:
        task = classes_of(predictor.views)
        names = list(predictor.views[task].classes)
        if tuple(names) != CITYSCAPES_19.classes:
            raise ValueError(
                f"label files of Cityscapes need its 19 classes, and {task} has {len(names)} ({', '.join(names[:3])}, "
                "…): predict with a run that was trained on class set cityscapes-19"
            )
        return CityscapesWriter(task, folder / FOLDER)


@dataclass
class CityscapesWriter(Writer):
    """Writes a file of label ids for each image."""

    task: str
    folder: Path
    lock: threading.Lock = field(default_factory=threading.Lock)
    odd: list[str] = field(default_factory=list)
    """Images whose name is none of Cityscapes'."""

    @override
    def write(self, prediction: Prediction) -> list[Path]:
        name = prediction.name.removesuffix(ENDING)
        if NAME.fullmatch(name.rpartition("/")[2]) is None:
            with self.lock:
                self.odd.append(prediction.name)
        ids = np.array(CITYSCAPES_RAW_IDS_OF_19, np.uint8)[prediction[self.task]]
        return [save_image(Image.fromarray(ids), self.folder, f"{name}.png")]

    @override
    def notes(self) -> list[str]:
        if not self.odd:
            return []
        odd = min(self.odd)
        others = f" and {len(self.odd) - 1} more are" if len(self.odd) > 1 else " is"
        return [
            f"{odd}{others} not named CITY_SEQUENCE_FRAME{ENDING}: the server of Cityscapes finds no image for label "
            "files of other names"
        ]


def classes_of(views: Mapping[str, View[Any]]) -> str:
    """Return the first task that predicts classes. Raises ``ValueError`` where there is none."""
    for name, view in views.items():
        if view.classes:
            return name
    raise ValueError(f"files for submission need a task with classes, and there is {', '.join(views)}")
