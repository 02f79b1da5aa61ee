"""Export to an OpenVINO model, ``model.xml`` with its weights in ``model.bin``.

The model is converted from an ONNX file, since OpenVINO's own converter for PyTorch programs does not support computed
sizes, which images of any size need.
"""

import json
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch

from taskscape.export import onnx_file
from taskscape.export.examples import cpp, python
from taskscape.export.formats import Compute, Job

NAME = "model.xml"
RUNTIME = "OpenVINO"
NEEDS: tuple[str, ...] = ("onnx", "onnxscript", "openvino")
OPTIONS: Mapping[str, Any] = {}

_CMAKE = """\
cmake_minimum_required(VERSION 3.16)
project(example LANGUAGES CXX)
set(CMAKE_CXX_STANDARD 17)
find_package(OpenVINO REQUIRED COMPONENTS Runtime)
add_executable(example example.cpp)
target_link_libraries(example PRIVATE openvino::runtime)
"""


@cache
def core() -> Any:
    """Return the ``openvino.Core`` of this process, which is never destroyed.

    The CPU plugin of every Core sets an alternate signal stack for the thread, and restores the previous one when it is
    destroyed. ``openvino.compile_model`` creates one Core per model. If two of them overlap and the first is destroyed
    first, a freed stack remains in use, and the next signal with a handler crashes the process (OpenVINO 2026.4).
    """
    import openvino

    return openvino.Core()


def write(job: Job, path: Path) -> None:
    """Write the file, with float32 weights beside it; its runtime information describes the outputs."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / onnx_file.NAME
        onnx_file.save(job, source)
        convert(source, job.about, path)
    path.with_name("example.py").write_text(python("openvino"), "utf-8")
    path.with_name("example.cpp").write_text(cpp("openvino"), "utf-8")
    path.with_name("CMakeLists.txt").write_text(_CMAKE, "utf-8")


def convert(source: Path, about: Mapping[str, Any], path: Path) -> None:
    """Convert an ONNX file, in float32 or int8."""
    import openvino

    model = core().read_model(source)  # convert_model would send telemetry
    model.set_rt_info(json.dumps(about), ["taskscape"])
    openvino.save_model(model, path, compress_to_fp16=False)


def opened(path: Path) -> Compute:
    """Return the function that the file computes with OpenVINO on the CPU in float32."""
    compiled = core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def compute(image: torch.Tensor) -> list[torch.Tensor]:
        results = compiled([image.contiguous().numpy()])
        return [torch.from_numpy(results[number].copy()) for number in range(len(results))]

    return compute
