"""Ranges and checks of settings of predictions, for commands that make them before they import torch."""

import importlib.util
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

from taskscape.serialization.ranges import Range

Overlap = Annotated[float, Range(least=0, most=0.75)]
"""Overlap of neighboring tiles, as a share of a tile's side; with more, a pixel would be computed over 16 times."""
FieldOfView = Annotated[float, Range(above=0, below=180)]
"""Horizontal field of view, from the left to the right edge of the image, in degrees."""
VideoHeight = Annotated[int, Range(least=16, most=2**16)]
"""Height of a video in pixels."""
EXPORTED = (".onnx", ".pt2", ".xml")
"""Suffixes of the files that ``taskscape export`` writes, in lower case."""
OF_RUNS = (".ckpt", ".csv", ".json", ".log", ".npz", ".safetensors", ".yaml")
"""Suffixes of files in run folders, in lower case."""


def require_images(paths: Iterable[Path]) -> None:
    """Raise ``ValueError`` for the first path that does not exist, or is an exported network or a file of a run."""
    for path in paths:
        if not path.exists():
            scheme = path.parts[0] if path.parts else ""  # https: for https://example.com
            if len(scheme) > 2 and scheme.endswith(":"):
                raise ValueError(f"{path} is an address: download the image, and name the file")
            raise ValueError(f"there is no image or folder {path}")
        if not (path.is_file() or path.is_dir()):
            raise ValueError(f"{path} is a device or a pipe, not an image: name files and folders")
        if path.suffix.lower() in OF_RUNS and (path.parent / "experiment.yaml").is_file():
            raise ValueError(f"{path} is a run's file, not an image: name the folder {path.parent} before the images")
        if path.suffix.lower() in EXPORTED:
            raise ValueError(
                f"{path} is an exported network, not an image: to predict images, use example.py next to it, or name "
                "the folder of a run; taskscape label applies ONNX files to whole stores"
            )


def check_scaling(height: int | None, image_range: tuple[float, float] | None, *, native_resolution: bool) -> None:
    """Raise ``ValueError`` for settings of ``taskscape.load`` that contradict each other."""
    if height is not None and native_resolution:
        raise ValueError("height and native resolution exclude each other: give only one of them")
    if image_range is not None and not image_range[0] < image_range[1]:
        raise ValueError(f"image range is {image_range[0]:g} {image_range[1]:g}: white must be greater than black")


def require_labeler(model: str | Path, outputs: Sequence[str] = (), *, tta: bool = False) -> None:
    """Raise ``FileNotFoundError`` for a model that does not exist, ``ValueError`` for settings that it does not have.

    ``model`` is a run folder, the name of a model, or a path that ends in ``.onnx``; only the latter needs ``outputs``.
    """
    if is_onnx(model):
        if tta:
            raise ValueError(
                f"{model}: ONNX files do not support --tta: leave it out, or label with the run that it was exported "
                "from"
            )
        if not Path(model).is_file():
            raise FileNotFoundError(f"{model} is not there: check the path")
        return
    from taskscape.released import is_name
    from taskscape.run_folder import RunFolder

    if outputs:
        raise ValueError("--outputs is only for ONNX files: leave it out, or select tasks of the run with --tasks")
    if not is_name(model):
        RunFolder(Path(model)).require()


def is_onnx(model: str | Path) -> bool:
    """Return whether a model is an ONNX file, by its name."""
    return Path(model).suffix.lower() == ".onnx"


def require_rerun() -> None:
    """Raise ``ValueError`` if rerun-sdk, which writes recordings, is not installed."""
    if importlib.util.find_spec("rerun") is None:
        raise ValueError("recordings need rerun-sdk: pip install 'taskscape[rerun]'")
