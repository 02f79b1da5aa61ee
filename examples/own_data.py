"""Train on your own images and labels: turn a folder into a packed store, and train a network on it.

::

    python examples/own_data.py                 # draws a folder of images first
    python examples/own_data.py --quick         # a few small images, to check that everything works

For photographs, replace ``draw`` with a folder of ``images/``, one folder per kind of label, and ``taskscape.yaml``.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

import taskscape
from taskscape import models, recipes
from taskscape.data import Packed
from taskscape.data.prepare import prepare
from taskscape.data.readers import Folder

DESCRIPTION = """
splits: {train: 0.75, val: 0.25}
semseg:
  classes: {1: wall, 2: ball}
  palette: [[200, 200, 190], [190, 60, 50]]
  void: [0]
depth:
  unit: millimeter
  invalid: [0]
"""


def draw(folder: Path, count: int, size: tuple[int, int], seed: int = 0) -> None:
    """Write images of balls in front of a wall, with class ids and depth in millimeters as 16-bit files."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: size[0], : size[1]] / size[0]
    for name in ("images", "semseg", "depth"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "taskscape.yaml").write_text(DESCRIPTION)
    for index in range(count):
        ids, meters = np.ones(size, np.uint8), np.full(size, rng.uniform(4, 5))
        for away in sorted(rng.uniform(1, 4, 3), reverse=True):
            ball = np.hypot(y - rng.uniform(0, 1), x - rng.uniform(0, size[1] / size[0])) < 0.4 / away
            ids[ball], meters[ball] = 2, away
        color = np.where((ids == 1)[..., None], [180, 180, 170], [200, 60, 50]) / np.sqrt(meters)[..., None]
        image = np.clip(color + rng.normal(0, 5, (*size, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(image).save(folder / "images" / f"{index:03d}.png")
        Image.fromarray(ids).save(folder / "semseg" / f"{index:03d}.png")
        Image.fromarray((1000 * meters).astype(np.uint16)).save(folder / "depth" / f"{index:03d}.png")


def main(
    raw: Path, store: Path, run: Path, count: int = 200, size: tuple[int, int] = (64, 96), epochs: int = 8
) -> None:
    """Draw images, prepare a store, train, and predict one image."""
    draw(raw, count, size)
    manifest = prepare(Folder(), raw, store)
    print(manifest.counts, manifest.fields)

    network = models.DeeplabJointConfig(encoder="resnet10t", width=64)
    experiment = replace(recipes.joint(), network=network, data=Packed(store), epochs=epochs, batch_size=8)
    result = taskscape.train(experiment, run, resume=True)  # a finished run is not trained again
    print({name: round(result.metrics[name], 3) for name in ("semseg/miou", "depth/abs_rel")})

    prediction = taskscape.load(run).predict(raw / "images" / "000.png")
    print(prediction)
    prediction.save(run / "predictions")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Train on images and labels of your own.")
    parser.add_argument("--quick", action="store_true", help="a few small images")
    small = {"count": 16, "size": (32, 48), "epochs": 1} if parser.parse_args().quick else {}
    main(Path("balls"), Path("stores/balls"), Path("runs/balls"), **small)
