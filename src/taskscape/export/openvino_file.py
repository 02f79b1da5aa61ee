"""A model of OpenVINO, ``model.xml`` with its weights in ``model.bin``.

It is converted from an ONNX file: OpenVINO's own converter of PyTorch programs has no rule for computed sizes, which
images of any size need.
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
    """Return the ``openvino.Core`` of this process, which is never removed.

    The plugin for CPUs of every Core gives the thread a stack for signal handlers, and puts back the one before when it
    goes. ``openvino.compile_model`` makes a Core for each model: where the lives of two overlap and the first ends
    first, a stack stays that is freed, and the next signal with a handler ends the process (OpenVINO 2026.4).
    """
    import openvino

    return openvino.Core()


def write(job: Job, path: Path) -> None:
    """Write the file, weights in float32 beside it; its runtime information says what every output is."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / onnx_file.NAME
        onnx_file.save(job, source)
        convert(source, job.about, path)
    path.with_name("example.py").write_text(python("openvino"), "utf-8")
    path.with_name("example.cpp").write_text(cpp("openvino"), "utf-8")
    path.with_name("CMakeLists.txt").write_text(_CMAKE, "utf-8")


def convert(source: Path, about: Mapping[str, Any], path: Path) -> None:
    """Write the model of an ONNX file, float32 or int8."""
    import openvino

    model = core().read_model(source)  # convert_model reports its use to the makers of OpenVINO
    model.set_rt_info(json.dumps(about), ["taskscape"])
    openvino.save_model(model, path, compress_to_fp16=False)


def opened(path: Path) -> Compute:
    """Return what the file computes, by OpenVINO on the CPU in float32."""
    compiled = core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def compute(image: torch.Tensor) -> list[torch.Tensor]:
        results = compiled([image.contiguous().numpy()])
        return [torch.from_numpy(results[number].copy()) for number in range(len(results))]

    return compute
