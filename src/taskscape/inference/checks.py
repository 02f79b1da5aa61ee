"""Ranges and checks of settings of predictions, for commands that make them before they import torch."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from taskscape.serialization.ranges import Range

Overlap = Annotated[float, Range(least=0, most=0.75)]
"""Overlap of neighboring tiles, as a share of a tile's side; with more, a pixel would be computed over 16 times."""
FieldOfView = Annotated[float, Range(above=0, below=180)]
"""Horizontal field of view, from the left to the right edge of the image, in degrees."""
VideoHeight = Annotated[int, Range(least=16, most=2**16)]
"""Height of a video in pixels."""


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
