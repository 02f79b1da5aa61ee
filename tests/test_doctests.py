"""Examples in docstrings give the documented output, and the public interface has examples."""

import doctest
import importlib
import inspect
from pathlib import Path

import pytest

import taskscape

ROOT = Path(taskscape.__file__).parent
WITH_EXAMPLES = {
    "data": ["StoreWriter"],
    "metrics": [
        "AlbedoMetrics",
        "BoundaryMetrics",
        "DepthMetrics",
        "MetricSpec",
        "NormalsMetrics",
        "SegmentationMetrics",
    ],
    "models": ["AdaptiveDepthConfig", "DeeplabDistillConfig", "DeeplabJointConfig", "SegnetMtanConfig"],
    "objectives": ["Supervised"],
    "tasks": ["Depth", "SemanticSegmentation", "SurfaceNormals"],
}
"""Classes that users construct directly."""

MODULES = sorted(
    "taskscape." + ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in ROOT.rglob("*.py")
    if ">>> " in path.read_text("utf-8")
)


@pytest.mark.parametrize("module", MODULES)
def test_examples_give_what_they_say(module: str) -> None:
    done = doctest.testmod(importlib.import_module(module), optionflags=doctest.IGNORE_EXCEPTION_DETAIL)
    assert done.attempted > 0
    assert done.failed == 0


@pytest.mark.parametrize("room", ["data", "inference", "metrics", "models", "objectives", "tasks", "views"])
def test_what_one_calls_has_an_example(room: str) -> None:
    module = importlib.import_module(f"taskscape.{room}")
    functions = [name for name in getattr(module, "__all__", ()) if inspect.isfunction(getattr(module, name))]
    for name in (*functions, *WITH_EXAMPLES.get(room, ())):
        assert ">>> " in (getattr(module, name).__doc__ or ""), f"taskscape.{room}.{name} has no example"
