"""A file of torch.export, ``model.pt2``: ``torch.export.load(file).module()(image)`` in Python, torch alone."""

import io
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
    content = io.BytesIO()  # into a file of its own torch ends the process where the disk is full
    torch.export.save(job.program, content, extra_files={"taskscape.json": json.dumps(job.about)})
    path.write_bytes(content.getbuffer())


def opened(path: Path) -> Compute:
    """Return what the file computes."""
    module = torch.export.load(path).module()
    return torch.no_grad()(lambda image: list(module(image)))
