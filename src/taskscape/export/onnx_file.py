"""Export to an ONNX file, ``model.onnx``, for ONNX Runtime and other runtimes."""

import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from taskscape.export.examples import cpp, python
from taskscape.export.formats import Compute, Job
from taskscape.export.unpooling import compared

NAME = "model.onnx"
RUNTIME = "ONNX Runtime"
NEEDS: tuple[str, ...] = ("onnx", "onnxscript", "onnxruntime")
OPTIONS: Mapping[str, Any] = {}
OPSET = 18

Run = Callable[[npt.NDArray[np.uint8]], list[npt.NDArray[Any]]]
"""Maps a (1, 3, H, W) image to the values of all outputs."""


def write(job: Job, path: Path) -> None:
    """Write the file, including its weights; the metadata key ``taskscape`` describes the outputs."""
    save(job, path)
    path.with_name("example.py").write_text(python("onnx"), "utf-8")
    path.with_name("example.cpp").write_text(cpp("onnx"), "utf-8")


def save(job: Job, path: Path) -> None:
    """Write only the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns about its own internals
        onnx = torch.onnx.export(
            compared(job.program),
            dynamo=True,
            input_names=["image"],
            output_names=job.outputs,
            opset_version=OPSET,
            verbose=False,
        )
    assert onnx is not None
    onnx.model.metadata_props["taskscape"] = json.dumps(job.about)
    onnx.save(path, external_data=False)


def opened(path: Path) -> Compute:
    """Return the function that the file computes with ONNX Runtime on the CPU."""
    run = run_of(path)
    return lambda image: [torch.from_numpy(array) for array in run(image.contiguous().numpy())]


def run_of(file: Path | bytes) -> Run:
    """Return the function that a file, or its content, computes with ONNX Runtime on the CPU."""
    import onnxruntime

    source = str(file) if isinstance(file, Path) else file
    session = onnxruntime.InferenceSession(source, providers=["CPUExecutionProvider"])
    return lambda image: list(session.run(None, {"image": image}))


def files(path: Path) -> list[Path]:
    """Return the paths of the file and its examples."""
    return [path, path.with_name("example.py"), path.with_name("example.cpp")]
