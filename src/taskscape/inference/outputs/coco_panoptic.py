"""Predictions in the format of COCO's panoptic task.

The format is a folder of PNG files that encode segment ids as colors, R + 256 G + 65536 B, with 0 for no segment; and a
JSON file with ``annotations``: for each image its ``image_id``, ``file_name``, and ``segments_info`` with ``id``,
``category_id``, ``area``, ``bbox`` (x, y, width, height) and ``iscrowd`` of every segment in the file.
https://github.com/cocodataset/panopticapi, https://cocodataset.org/#format-results.

Semantic segmentation does not separate instances, so every class in an image is one segment, as for "stuff".
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image
from typing_extensions import override

from taskscape.inference.outputs.base import Output, Writer
from taskscape.inference.outputs.cityscapes import ENDING, classes_of
from taskscape.inference.prediction import Prediction
from taskscape.inference.predictor import Predictor
from taskscape.inference.saving import save_file, save_image
from taskscape.modalities.base import Array
from taskscape.modalities.class_sets import CITYSCAPES_19, CITYSCAPES_RAW_IDS_OF_19
from taskscape.views.arrays import Color

FOLDER, FILE = "panoptic", "panoptic.json"


@dataclass(frozen=True)
class CocoPanoptic(Output):
    """panoptic/IMAGE.png with one segment per class in the image, and panoptic.json with the list of segments."""

    shared_file: ClassVar[str] = FILE
    folder: ClassVar[str] = FOLDER

    @override
    def writer(self, predictor: Predictor, folder: Path, files: Sequence[Path] = ()) -> Writer:
        task = classes_of(predictor.views)
        return PanopticWriter(task, predictor.views[task].classes, folder)


@dataclass
class PanopticWriter(Writer):
    """Writes one file of segments per image, and a JSON file about all of them at the end."""

    task: str
    classes: Mapping[str, Color]
    folder: Path
    images: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Content of the JSON file by image name."""

    @property
    def categories(self) -> Sequence[int]:
        """Category ids of the classes: the label ids for the 19 classes of Cityscapes, else as in ``metadata.json``."""
        is_cityscapes = tuple(self.classes) == CITYSCAPES_19.classes
        return CITYSCAPES_RAW_IDS_OF_19 if is_cityscapes else range(len(self.classes))

    @override
    def write(self, prediction: Prediction) -> list[Path]:
        ids = prediction[self.task]
        segments = np.where(ids < len(self.classes), ids + 1, 0).astype(np.uint8)
        colors = np.zeros((*ids.shape, 3), np.uint8)
        colors[..., 0] = segments  # fewer than 256 classes: green and blue, the higher digits, are 0
        path = save_image(Image.fromarray(colors), self.folder / FOLDER, f"{prediction.name}.png")
        self.images[prediction.name] = {
            "file_name": f"{prediction.name}.png",
            "width": ids.shape[1],
            "height": ids.shape[0],
            "segments": [
                {
                    "id": int(segment),
                    "category_id": self.categories[int(segment) - 1],
                    **extent(segments == segment),
                    "iscrowd": 0,
                }
                for segment in np.unique(segments)
                if segment
            ],
        }
        return [path]

    @override
    def finish(self) -> list[Path]:
        if not self.images:
            return []
        images = sorted(self.images.items())
        numbers = image_ids([name for name, _ in images])
        content = {
            "images": [
                {"id": numbers[name], **{key: entry[key] for key in ("file_name", "width", "height")}}
                for name, entry in images
            ],
            "annotations": [
                {"image_id": numbers[name], "file_name": entry["file_name"], "segments_info": entry["segments"]}
                for name, entry in images
            ],
            "categories": [
                {"id": number, "name": name, "supercategory": name, "isthing": 0, "color": list(color)}
                for number, (name, color) in zip(self.categories, self.classes.items(), strict=True)
            ],
        }
        return [save_file(json.dumps(content, indent=1, ensure_ascii=False), self.folder, FILE)]


def extent(mask: Array) -> dict[str, Any]:
    """Return the area in pixels and the box (x, y, width, height) of a non-empty (H, W) mask."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top, left = int(rows[0]), int(columns[0])
    box = [left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1]
    return {"area": int(np.count_nonzero(mask)), "bbox": box}


def image_ids(names: Sequence[str]) -> dict[str, int | str]:
    """Return the id of each image by its name, following the conventions of data sets.

    The id is the last part of the name, without the ending of Cityscapes, as a number if it is one, as in COCO. If two
    images would get the same id, all ids are whole names.
    """
    short_names = {name: name.rpartition("/")[2].removesuffix(ENDING) for name in names}
    ids: dict[str, int | str] = {
        name: int(short_name) if short_name.isdecimal() else short_name for name, short_name in short_names.items()
    }
    return ids if len(set(ids.values())) == len(ids) else dict(zip(names, names, strict=True))
