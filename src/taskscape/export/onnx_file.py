"""Export to an ONNX file, ``model.onnx``, for ONNX Runtime and other runtimes."""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from taskscape.export.examples import cpp, python
from taskscape.export.formats import Compute, Job
from taskscape.export.unpooling import compared

NAME = "model.onnx"
RUNTIME = "ONNX Runtime"
NEEDS: tuple[str, ...] = ("onnx", "onnxscript", "onnxruntime")
OPTIONS: Mapping[str, Any] = {}
OPSET = 18


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
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda image: [torch.from_numpy(array) for array in session.run(None, {"image": image.contiguous().numpy()})]


def files(path: Path) -> list[Path]:
    """Return the paths of the file and its examples."""
    return [path, path.with_name("example.py"), path.with_name("example.cpp")]
