"""The page about metrics agrees with the metrics."""

import importlib.util
import re
from pathlib import Path

import taskscape.metrics
from taskscape.metrics import TaskMetric

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "reference" / "metrics.md"


def generator():
    spec = importlib.util.spec_from_file_location("generate_metrics", DOCS / "generate_metrics.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date():
    page = PAGE.read_text("utf-8")
    assert generator().render(page) == page, "run python docs/generate_metrics.py"


def test_every_metric_has_its_table():
    public = (getattr(taskscape.metrics, name) for name in taskscape.metrics.__all__)
    offered = {m for m in public if isinstance(m, type) and issubclass(m, TaskMetric)} - {TaskMetric}
    module = generator()
    assert {type(metric) for metric in module.TASKS.values()} == offered
    page = PAGE.read_text("utf-8")
    assert set(re.findall(r"<!-- metrics: (\w+) -->", page)) == set(module.tables())


def test_every_name_in_the_prose_exists():
    module = generator()
    names = {f"{task}/{name}" for task, metric in module.TASKS.items() for name in metric.specs}
    prose = set(re.findall(rf"`((?:{'|'.join(module.TASKS)})/[^`]+)`", PAGE.read_text("utf-8")))
    assert prose == names
