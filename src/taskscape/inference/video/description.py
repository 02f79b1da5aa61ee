"""The description of predicted videos: how they were made, and how to read the maps of their frames."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from taskscape.files import atomic_write
from taskscape.inference.predictor import Predictor
from taskscape.inference.video.color_scales import settings_of
from taskscape.inference.video.film import Film
from taskscape.inference.video.settings import VideoSettings


def description_file(out: Path, name: str) -> Path:
    """Return the path of the description of the videos with this name."""
    return out / f"{name}.video.json"


def made_with(predictor: Predictor, settings: VideoSettings, names: tuple[str, ...]) -> dict[str, Any]:
    """Return everything but the source that determines predicted videos, as JSON values."""
    content = {
        "network": _digest(predictor.model.network),
        "tasks": list(predictor.model.tasks),
        "height": predictor.height,
        "test-time augmentation": str(predictor.tta),
        "tiles": str(predictor.tiles),
        "confidence": dict(predictor.spreads),
        "views": settings_of(predictor.views),
        "videos": list(names),
        "smooth": settings.smooth,
        "video height": settings.height,
        "maps": settings.maps,
    }
    values: dict[str, Any] = json.loads(json.dumps(content))
    return values


def _digest(network: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def write_description(
    path: Path, files: list[Path], film: Film, frames_per_second: float, made: Mapping[str, Any]
) -> None:
    """Write the description of a film's files; ``made`` is what determined them."""
    content = {
        "files": [file.relative_to(path.parent).as_posix() for file in files],
        "frames": film.parts.frames,
        "frames_per_second": frames_per_second,
        "size": list(film.size),
        "maps": {name: dict(view.metadata()) for name, view in film.predictor.views.items()},
        "made_with": made,
    }
    atomic_write(path, json.dumps(content, indent=1))


def read_description(path: Path) -> tuple[list[Path], Any]:
    """Return the existing output files of a video and what they were made with; an empty list and None without any."""
    try:
        content = json.loads(path.read_text("utf-8"))
        return [path.parent / file for file in content["files"]], content["made_with"]
    except (OSError, ValueError, KeyError, TypeError):
        return [], None
