"""A file of torch.export, ``model.pt2``: ``torch.export.load(file).module()(image)`` in Python, torch alone."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

NAME = "model.pt2"
NEEDS: tuple[str, ...] = ()


def write(program: torch.export.ExportedProgram, path: Path, outputs: list[str], about: Mapping[str, Any]) -> None:
    """Write the file; the names of outputs and what is known of them stand in it as ``taskscape.json``."""
    torch.export.save(program, path, extra_files={"taskscape.json": json.dumps(about)})


def opened(path: Path) -> Callable[[Tensor], list[Tensor]]:
    """Return what the file computes."""
    module = torch.export.load(path).module()
    return lambda image: list(module(image))
