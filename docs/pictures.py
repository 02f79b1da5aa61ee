"""Makes the images of the README: ``python docs/pictures.py RUN`` from the run of ``taskscape demo``."""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from taskscape.modalities import Depth, Normals, Semseg
from taskscape.modalities.class_sets import CITYSCAPES_19
from taskscape.streets import render
from taskscape.views import RgbArray, view
from taskscape.views.colors import overlay

OUT = Path(__file__).parent / "pictures"
SEMSEG, DEPTH, NORMALS = view(Semseg(CITYSCAPES_19)), view(Depth()), view(Normals())


def sheet(rows: list[list[RgbArray]], gap: int = 4, zoom: int = 1) -> Image.Image:
    """Return rows of images of one size, side by side on white."""
    height, width = rows[0][0].shape[:2]
    page = Image.new(
        "RGB", (len(rows[0]) * (width * zoom + gap) - gap, len(rows) * (height * zoom + gap) - gap), "white"
    )
    for y, row in enumerate(rows):
        for x, image in enumerate(row):
            big = Image.fromarray(image).resize((width * zoom, height * zoom), Image.Resampling.BICUBIC)
            page.paste(big, (x * (width * zoom + gap), y * (height * zoom + gap)))
    return page


def predictions(run: Path) -> Image.Image:
    """Return streets of the validation split: the image, predicted classes, predicted depth."""
    with np.load(run / "samples.npz") as arrays:
        images, classes, depths = arrays["image"], arrays["semseg/prediction"], arrays["depth/prediction"]
    return sheet(
        [
            [image, overlay(image, SEMSEG.colorize(ids), 0.7), DEPTH.colorize(depth)]
            for image, ids, depth in list(zip(images, classes, depths, strict=True))[1:7:2]
        ],
        zoom=3,
    )


def streets() -> Image.Image:
    """Return generated streets: image, classes, depth, normals; the last two rows are of the split ``shifted``."""
    rows = []
    for split, index in (("train", 12), ("train", 18), ("train", 0), ("train", 21), ("shifted", 2), ("shifted", 5)):
        scene = render(0, split, index, (128, 256), 9)
        valid = scene.depth > 0
        rows.append(
            [
                scene.image,
                SEMSEG.colorize(scene.semseg),
                DEPTH.colorize(scene.depth, valid),
                NORMALS.colorize(scene.normals, valid),
            ]
        )
    return sheet(rows)


def styles() -> Image.Image:
    """Return streets and their classes: two pairs of rows in the style ``photographs``, one in ``classic``."""
    rows = []
    chosen = (("photographs", (40, 45, 46, 51)), ("photographs", (55, 60, 54, 16)), ("classic", (12, 18, 0, 21)))
    for style, indices in chosen:
        scenes = [render(0, "train", index, (144, 192), 9, style) for index in indices]
        rows += [[scene.image for scene in scenes], [SEMSEG.colorize(scene.semseg) for scene in scenes]]
    return sheet(rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", metavar="RUN", type=Path, help="folder of the run")
    run = parser.parse_args().run
    OUT.mkdir(exist_ok=True)
    styles().save(OUT / "styles.jpg", quality=85)
    streets().save(OUT / "streets.jpg", quality=88)
    predictions(run).save(OUT / "demo.jpg", quality=90)
