"""An ONNX file, ``model.onnx``, for ONNX Runtime and others."""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from taskscape.export.formats import Compute, Job

NAME = "model.onnx"
NEEDS: tuple[str, ...] = ("onnx", "onnxscript", "onnxruntime")
OPTIONS: Mapping[str, Any] = {}
OPSET = 18
EXAMPLE = """\
# Predicts an image with the file beside this one: python example.py photo.jpg; needs numpy, pillow and onnxruntime.
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

session = onnxruntime.InferenceSession(Path(__file__).with_name("model.onnx"), providers=["CPUExecutionProvider"])
about = json.loads(session.get_modelmeta().custom_metadata_map["taskscape"])

image = Image.open(sys.argv[1]).convert("RGB")
_, _, height, width = about["input"]["shape"]
if isinstance(height, str):  # any size: this height is the one at which the network is most accurate
    height = about["most_accurate_height"]
    width = round(image.width * height / image.height)
pixels = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR)).transpose(2, 0, 1)[None]

for name, values in zip(about["outputs"], session.run(None, {"image": np.ascontiguousarray(pixels)}), strict=True):
    output = about["outputs"][name]
    print(f"{name}: {values.shape}, {output['unit']}, from {values.min():.4g} to {values.max():.4g}")
    classes = (output["modality"].get("classes") or {}).get("classes", [])
    for number, label in enumerate(classes):
        share = (values == number).mean()
        if share > 0.01:
            print(f"  {label}: {100 * share:.0f} % of the image")
"""
"""What is written beside the file: how to use it without taskscape."""


def write(job: Job, path: Path) -> None:
    """Write the file, weights inside; its metadata say what every output is, under the key ``taskscape``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter about itself
        onnx = torch.onnx.export(
            job.program,
            dynamo=True,
            input_names=["image"],
            output_names=list(job.tasks),
            opset_version=OPSET,
            verbose=False,
        )
    assert onnx is not None
    onnx.model.metadata_props["taskscape"] = json.dumps(job.about)
    onnx.save(path, external_data=False)
    path.with_name("example.py").write_text(EXAMPLE, "utf-8")


def opened(path: Path) -> Compute:
    """Return what the file computes, by ONNX Runtime on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda image: [torch.from_numpy(array) for array in session.run(None, {"image": image.numpy()})]


def files(path: Path) -> list[Path]:
    """Return the file, and the example of its use."""
    return [path, path.with_name("example.py")]
