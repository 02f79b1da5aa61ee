"""``taskscape predict``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import tyro

from taskscape.commands.shared import Run, if_interrupted

Images = Annotated[tuple[Path, ...], tyro.conf.arg(metavar="IMAGES...", help="Pictures, or folders of pictures.")]


def main(arguments: Sequence[str]) -> None:
    """Parse, call, print."""
    tyro.cli(predict, args=arguments, prog="taskscape predict")


def predict(
    run: Run,
    images: Images,
    /,
    *,
    out: Path,
    height: int | None = None,
    own_size: bool = False,
    depth_unit: Literal["mm", "cm"] = "mm",
    device: Literal["auto", "cpu", "cuda"] = "auto",
) -> None:
    """Predict pictures with the network of a run.

    Writes for each PICTURE what the network knows of PICTURE.semseg.png (class ids with a palette), PICTURE.depth.png
    (16 bit), PICTURE.normals.png, views of them for people, and PICTURE.side-by-side.png. about.json says how to read
    them.

    Args:
        out: Folder to write to.
        height: Shrink or enlarge pictures to this height for the network, whose output is brought back to their own
            size; by default the height at which it was trained, where it judges best, depth above all.
        own_size: Show the network pictures as they are: finer outlines, less reliable depth.
        depth_unit: What a step of the 16-bit depth is; what is farther than 65535 steps is stored as 65535.
        device: Where to compute; auto takes a GPU when there is one.
    """
    from taskscape.inference.predict import predict as predict_files
    from taskscape.progress import progress_bar, reporter

    with (
        if_interrupted(f"finished pictures in {out} are kept; the same command makes all of them again"),
        progress_bar() as progress,
    ):
        files = predict_files(
            run,
            images,
            out,
            height=height,
            own_size=own_size,
            depth_unit=depth_unit,
            device=device,
            report=reporter(progress, "pictures"),
        )
    print(f"{len(files)} files are in {out}")
