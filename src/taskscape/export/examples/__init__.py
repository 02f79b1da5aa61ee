"""Example programs in Python and C++ that use an exported file without taskscape; they are written beside it."""

from pathlib import Path

_FOLDER = Path(__file__).parent

_PYTHON = {
    "onnx": (
        "onnxruntime",
        "import onnxruntime",
        """\
session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
about = json.loads(session.get_modelmeta().custom_metadata_map["taskscape"])""",
        'session.run(None, {"image": pixels})',
    ),
    "openvino": (
        "openvino",
        "import openvino",
        """\
model = (core := openvino.Core()).read_model(folder / "model.xml")  # one Core for all models of a process
about = json.loads(model.get_rt_info(["taskscape"]).astype(str))
compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})""",
        "compiled([pixels]).values()",
    ),
    "torch": (
        "torch",
        "import torch",
        """\
model = torch.export.load(folder / "model.pt2", extra_files=(extra := {"taskscape.json": ""})).module()
about = json.loads(extra["taskscape.json"])""",
        "[v.detach().numpy() for v in model(torch.from_numpy(pixels))]",
    ),
}


def python(form: str) -> str:
    """Return a Python program of at most 40 lines that predicts an image by NumPy, Pillow and the format's runtime."""
    package, import_line, opened, run = _PYTHON[form]
    text = (_FOLDER / "example.py.txt").read_text("utf-8")
    for name, value in (("PACKAGE", package), ("IMPORT", import_line), ("OPENED", opened), ("RUN", run)):
        text = text.replace(f"{{{name}}}", value)
    return text


def cpp(form: str) -> str:
    """Return a C++17 program that predicts an image with the format's runtime."""
    common = (_FOLDER / "example.h.txt").read_text("utf-8")
    return (_FOLDER / f"example-{form}.cpp.txt").read_text("utf-8").replace("{COMMON}", common.strip())
