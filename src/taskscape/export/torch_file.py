"""A file of torch.export, ``model.pt2``: ``torch.export.load(file).module()(image)`` in Python, torch alone."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from taskscape.export.formats import Compute, Job

NAME = "model.pt2"
RUNTIME = "PyTorch alone, `torch.export.load`"
NEEDS: tuple[str, ...] = ()
OPTIONS: Mapping[str, Any] = {}


def write(job: Job, path: Path) -> None:
    """Write the file; the names of outputs and what is known of them stand in it as ``taskscape.json``."""
    torch.export.save(job.program, path, extra_files={"taskscape.json": json.dumps(job.about)})


def opened(path: Path) -> Compute:
    """Return what the file computes."""
    module = torch.export.load(path).module()
    return torch.no_grad()(lambda image: list(module(image)))
