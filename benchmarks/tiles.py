"""Large images in tiles, scaled, and at full resolution: accuracy on large generated streets, memory and time.

python benchmarks/tiles.py accuracy --height 960 --images 8
python benchmarks/tiles.py memory --megapixels 24

The streets are those on which the released model was validated (style photographs, 4:3), rendered larger; labels are
compared at full resolution. Memory is the peak resident set of a process that predicts one image and writes it.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from taskscape import released
from taskscape.data import Streets
from taskscape.data.readers.images import read_image
from taskscape.inference import Predictor, load
from taskscape.inference.predict import predict
from taskscape.inference.tiles import Tiles

MODEL = "taskscape/streets-small"
METRICS = ("semseg/miou", "depth/abs_rel", "depth/median_scaled_abs_rel", "normals/mean")


def ways(height: int) -> dict[str, Predictor]:
    """Return the predictors to compare, by how they process an image of this height."""
    predictors = {"scaled to 240 (default)": load(MODEL)}
    for side in (240, 480, height):
        if side >= height:
            predictors[f"at {height}, in one piece"] = load(MODEL, native_resolution=True)
        else:
            size = (side, side * 4 // 3)
            predictors[f"at {height}, tiles of {size[0]}x{size[1]}"] = load(MODEL, tiles=Tiles(size))
            if side == 240:
                predictors["the same, depth not anchored"] = load(MODEL, tiles=Tiles(size, anchor=False))
    if height > 480:
        predictors["scaled to 480, in one piece"] = load(MODEL, height=480)
        predictors["scaled to 480, tiles of 240x320"] = load(MODEL, height=480, tiles=Tiles((240, 320)))
    return predictors


def accuracy(height: int, images: int) -> dict[str, dict[str, float]]:
    """Return metrics by way and name, over ``images`` streets."""
    data = Streets(train=0, val=images, size=(height, height * 4 // 3), style="photographs")
    store = data.open()["val"]
    rows = {}
    for way, predictor in ways(height).items():
        tasks = predictor.model.tasks
        metrics = {name: task.metrics() for name, task in tasks.items()}
        start = time.perf_counter()
        for index in range(images):
            batch = store.gather(np.array([index]), ["semseg", "depth", "normals"], torch.device("cpu"))
            image = np.asarray(store.stored(index)["image"])
            prediction = predictor.predict(image)
            for name, task in tasks.items():
                target = task.target(batch.targets[name], store.fields[name])
                values = torch.from_numpy(np.asarray(prediction[name]))[None]
                channels = values.reshape(*values.shape[:3], -1).movedim(-1, 1)
                metrics[name].update(values.long() if task.predicts_classes else channels, target.value, target.valid)
        computed = {
            f"{name}/{key}": value for name, metric in metrics.items() for key, value in metric.compute().items()
        }
        rows[way] = {name: computed[name] for name in METRICS} | {"seconds": (time.perf_counter() - start) / images}
        print(way, json.dumps(rows[way]), flush=True)
    return rows


def memory(megapixels: float) -> None:
    """Print the seconds and peak memory of each way to predict one photograph enlarged to this size."""
    height = round((megapixels * 1e6 * 9 / 16) ** 0.5)
    with tempfile.TemporaryDirectory() as folder:
        photograph = Path(folder) / "large.jpg"
        small = Image.fromarray(read_image(released.PHOTOGRAPH))
        small.resize((round(height * 16 / 9), height), Image.Resampling.BICUBIC).save(photograph, quality=90)
        for way in ("nothing", "scaled", "tiles"):
            process = subprocess.run(
                [sys.executable, __file__, "one", "--way", way, "--image", str(photograph), "--out", folder],
                check=True,
                capture_output=True,
                text=True,
            )
            print(f"{height}x{round(height * 16 / 9)}", way, process.stdout.strip(), flush=True)


def predict_one(way: str, image: Path, out: Path) -> None:
    """Predict one image and print the seconds and memory."""
    start = time.perf_counter()
    if way == "nothing":
        load(MODEL).predict(np.zeros((240, 320, 3), np.uint8))
    else:
        predict(load(MODEL, tiles=Tiles((480, 640)) if way == "tiles" else None), [image], out / way)
    gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{time.perf_counter() - start:.1f} s, {gib:.2f} GiB")


def main() -> None:
    """Run the requested benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("accuracy", "memory", "one"))
    parser.add_argument("--height", type=int, default=960)
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--megapixels", type=float, default=24)
    parser.add_argument("--way", default="")
    parser.add_argument("--image", type=Path)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    if chosen.what == "accuracy":
        accuracy(chosen.height, chosen.images)
    elif chosen.what == "memory":
        memory(chosen.megapixels)
    else:
        predict_one(chosen.way, chosen.image, chosen.out)


if __name__ == "__main__":
    main()
