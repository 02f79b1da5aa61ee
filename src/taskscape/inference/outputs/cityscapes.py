"""Label files for the Cityscapes evaluation server.

The server takes 8-bit PNG files of the images' size with the ids of ``labels.py`` (7 road, 8 sidewalk, 11 building, …),
not the training ids 0 … 18. A file belongs to the image CITY_SEQUENCE_FRAME if its name starts with this and ends in
``.png``. Two such files for one image are an error, so the label files have a separate folder.
https://github.com/mcordts/cityscapesScripts, ``evalPixelLevelSemanticLabeling.py``.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image
from typing_extensions import override

from taskscape.inference.outputs.base import Output, Writer
from taskscape.inference.prediction import Prediction
from taskscape.inference.predictor import Predictor
from taskscape.inference.saving import save_image
from taskscape.modalities.class_sets import CITYSCAPES_19, CITYSCAPES_RAW_IDS_OF_19
from taskscape.views import View

FOLDER = "cityscapes"
ENDING = "_leftImg8bit"
"""Ending of image names in Cityscapes."""
NAME = re.compile(r"[^/]+_\d{6}_\d{6}")


@dataclass(frozen=True)
class CityscapesLabels(Output):
    """cityscapes/IMAGE.png with label ids, for the Cityscapes evaluation server."""

    folder: ClassVar[str] = FOLDER

    @override
    def writer(self, predictor: Predictor, folder: Path, files: Sequence[Path] = ()) -> Writer:
        task = classes_of(predictor.views)
        names = list(predictor.views[task].classes)
        if tuple(names) != CITYSCAPES_19.classes:
            raise ValueError(
                f"Cityscapes label files need its 19 classes, but {task} has {len(names)} ({', '.join(names[:3])}, "
                "…): predict with a run that was trained on class set cityscapes-19"
            )
        return CityscapesWriter(task, folder / FOLDER)


@dataclass
class CityscapesWriter(Writer):
    """Writes one file of label ids per image."""

    task: str
    folder: Path
    misnamed: list[str] = field(default_factory=list)
    """Names of images that do not follow the Cityscapes pattern."""

    @override
    def write(self, prediction: Prediction) -> list[Path]:
        name = prediction.name.removesuffix(ENDING)
        if NAME.fullmatch(name.rpartition("/")[2]) is None:
            self.misnamed.append(prediction.name)
        ids = np.array(CITYSCAPES_RAW_IDS_OF_19, np.uint8)[prediction[self.task]]
        return [save_image(Image.fromarray(ids), self.folder, f"{name}.png")]

    @override
    def notes(self) -> list[str]:
        if not self.misnamed:
            return []
        odd = min(self.misnamed)
        others = f" and {len(self.misnamed) - 1} more are" if len(self.misnamed) > 1 else " is"
        return [
            f"{odd}{others} not named CITY_SEQUENCE_FRAME{ENDING}: the Cityscapes server cannot match label files with "
            "other names to images"
        ]


def classes_of(views: Mapping[str, View[Any]]) -> str:
    """Return the first task that predicts classes. Raises ``ValueError`` if there is none."""
    for name, view in views.items():
        if view.classes:
            return name
    raise ValueError(f"submission files need a task with classes, but the tasks are {', '.join(views)}")
