"""Makes the pictures of the README: ``python docs/pictures.py RUN`` from the run of ``taskscape demo``."""

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from taskscape.labels import CITYSCAPES_19
from taskscape.report.pictures import overlay, paint_classes, paint_depth, paint_directions
from taskscape.streets import render

OUT = Path(__file__).parent / "pictures"
Rgb = npt.NDArray[np.uint8]


def sheet(rows: list[list[Rgb]], gap: int = 4, zoom: int = 1) -> Image.Image:
    """Return rows of pictures of one size, side by side on white."""
    height, width = rows[0][0].shape[:2]
    page = Image.new(
        "RGB", (len(rows[0]) * (width * zoom + gap) - gap, len(rows) * (height * zoom + gap) - gap), "white"
    )
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            big = Image.fromarray(picture).resize((width * zoom, height * zoom), Image.Resampling.BICUBIC)
            page.paste(big, (x * (width * zoom + gap), y * (height * zoom + gap)))
    return page


def predictions(run: Path) -> Image.Image:
    """Unseen streets as the network of the demo sees them: the picture, classes, depth."""
    with np.load(run / "samples.npz") as arrays:
        images, classes, depths = arrays["image"], arrays["semseg/prediction"], arrays["depth/prediction"]
    palette = CITYSCAPES_19.palette
    return sheet(
        [
            [image, overlay(image, paint_classes(ids, palette), 0.7), paint_depth(depth)]
            for image, ids, depth in list(zip(images, classes, depths, strict=True))[1:7:2]
        ],
        zoom=3,
    )


def streets() -> Image.Image:
    """Generated streets: the picture, classes, depth, normals; the last two rows of the split ``shifted``."""
    rows = []
    for split, index in (("train", 12), ("train", 18), ("train", 0), ("train", 21), ("shifted", 2), ("shifted", 5)):
        scene = render(0, split, index, (128, 256), 9)
        seen = scene.depth > 0
        rows.append(
            [
                scene.image,
                paint_classes(scene.semseg, CITYSCAPES_19.palette),
                paint_depth(scene.depth, seen),
                paint_directions(scene.normals, seen),
            ]
        )
    return sheet(rows)


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    streets().save(OUT / "streets.jpg", quality=88)
    predictions(Path(sys.argv[1])).save(OUT / "demo.jpg", quality=90)
