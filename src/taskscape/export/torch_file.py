"""Export to a torch.export file, ``model.pt2``, which needs only torch: ``torch.export.load(file).module()(image)``."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from taskscape.export.examples import python
from taskscape.export.formats import Compute, Job

NAME = "model.pt2"
RUNTIME = "PyTorch alone, `torch.export.load`"
NEEDS: tuple[str, ...] = ()
OPTIONS: Mapping[str, Any] = {}


def write(job: Job, path: Path) -> None:
    """Write the file, which includes the description of the outputs as ``taskscape.json``, and an example."""
    content = io.BytesIO()  # when writing to a file itself, torch kills the process if the disk is full
    torch.export.save(job.program, content, extra_files={"taskscape.json": json.dumps(job.about)})
    path.write_bytes(content.getbuffer())
    path.with_name("example.py").write_text(python("torch"), "utf-8")


def opened(path: Path) -> Compute:
    """Return the function that the file computes."""
    module = torch.export.load(path).module()
    return torch.no_grad()(lambda image: list(module(image)))
