"""Make a released model from a trained run: ``python benchmarks/release.py RUN``.

RUN is the folder of a run, a published folder, or a tar archive of one. The files that the package needs are written to
``src/taskscape/released/NAME``: weights as float16, settings, results, the model card. Predictions of the model are
compared with those of the run, and its size is checked. An image of its predictions is written for the documentation.

``--into FOLDER`` writes to another folder, and no image: on a machine for training, so that little has to be copied
back.
"""

import argparse
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

from PIL import Image

from taskscape import released
from taskscape.files.paths import printable
from taskscape.inference import load
from taskscape.publishing import About, publish

EXPECTS = "photographs of streets that a camera in a vehicle takes by day"
LIMITS = (
    "It was trained without photographs labeled for these tasks. In photographs it often misses small and rare "
    "objects (poles, signs, riders, fences), confuses sidewalks and shop windows with what is next to them, and "
    "draws rough outlines.",
    "Depth is in the meters of generated streets. In photographs the order of depths is more reliable than their "
    "scale, which depends on the height and field of view of the camera.",
    "The sky of generated streets has neither depth nor normals, so these predictions are meaningless where the "
    "class is sky.",
    "It also predicts at night, in rain, indoors, from above and for portraits, and nothing in its output warns "
    "that such images are unsuitable.",
    "It is meant for learning, comparing and trying out; not for driving, nor for any decision about people.",
)
COMMAND = "taskscape train photographs/streets_small"
PICTURE = Path(__file__).parents[1] / "docs" / "pictures" / "released.jpg"


def release(run: Path, folder: Path, name: str) -> None:
    """Publish a run into a folder. Exits if it is larger than the limit for released models."""
    if folder.exists():
        shutil.rmtree(folder)
    about = About(name, license="mit", expects=EXPECTS, limits=LIMITS)
    published = publish(run, folder, about, half=True, precision="fp32", command=COMMAND)
    size = sum(path.stat().st_size for path in published.files)
    for path in published.files:
        print(f"{path.stat().st_size:>12,} bytes  {path.relative_to(folder)}")
    if size > released.MOST_BYTES:
        shutil.rmtree(folder)
        sys.exit(
            f"{size:,} bytes are more than a released model may have, {released.MOST_BYTES:,}: nothing is released"
        )
    made = published.made
    print(f"beside the run: {dict(made.agreement)} on {made.images} images; {1000 * made.seconds:.0f} ms of a core")


def run_folder(run: Path, scratch: str) -> Path:
    """Return the folder of a run, which is extracted if it is an archive."""
    if run.is_dir():
        return run
    with tarfile.open(run) as archive:
        if hasattr(tarfile, "data_filter"):  # from Python 3.11.4
            archive.extraction_filter = tarfile.data_filter
        archive.extractall(scratch)
    (experiment,) = Path(scratch).rglob("experiment.yaml")
    return experiment.parent


def picture(name: str, path: Path) -> None:
    """Write the photograph with the predictions beside it."""
    row = load(name, device="cpu").predict(released.PHOTOGRAPH).side_by_side()
    row.resize((1600, round(row.height * 1600 / row.width)), Image.Resampling.LANCZOS).save(path, quality=88)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--name", default="streets-small")
    parser.add_argument("--into", type=Path)
    arguments = parser.parse_args()
    name = f"{released.OWNER}/{arguments.name}"
    folder = arguments.into or released.FOLDER / arguments.name
    with tempfile.TemporaryDirectory() as scratch:
        try:
            release(run_folder(arguments.run, scratch), folder, name)
        except (OSError, ValueError) as error:
            sys.exit(f"error: {printable(str(error))}")
    if arguments.into is None:
        picture(name, PICTURE)
        print(f"{folder} and {PICTURE} are to be committed")


if __name__ == "__main__":
    main()
