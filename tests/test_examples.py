"""The scripts in ``examples/`` run at small scale."""

import runpy
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from taskscape.data import Streets
from taskscape.run_folder import Result, RunFolder
from taskscape.runs import Experiment
from taskscape.serialization import load_name

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(script: str, *arguments: str) -> None:
    """Run a script of the examples as ``python examples/SCRIPT`` does."""
    before = sys.argv
    sys.argv = [script, *arguments]
    try:
        with torch.random.fork_rng():
            runpy.run_path(str(EXAMPLES / script), run_name="__main__")
    finally:
        sys.argv = before


def test_every_script_is_tested() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == {
        "compare_weightings.py",
        "first_network.py",
        "nyuv2_photographs.py",
        "own_data.py",
        "own_task.py",  # tests/test_outside.py runs it end to end
    }


def test_first_network(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("first_network.py", "--quick")
    assert "pixel accuracy on 4 other streets" in capsys.readouterr().out


def test_own_data(here: Path) -> None:
    run("own_data.py", "--quick")
    run("own_data.py", "--quick")  # uses the store and the run that are there
    result = Result.load(RunFolder(here / "runs" / "balls").result())
    assert {"semseg/miou", "depth/abs_rel"} <= set(result.metrics)
    assert (here / "runs" / "balls" / "predictions" / "000.depth.png").exists()


def test_compare_weightings(here: Path) -> None:
    run("compare_weightings.py", "--quick", "--out", "runs", "--methods", "fixed", "pcgrad")
    page = (here / "runs" / "comparison.html").read_text()
    for name in ("fixed", "pcgrad", "semseg-alone", "depth-alone"):
        assert name in page
    assert "Δm" in page


def test_own_task_makes_its_raw_files(here: Path) -> None:
    with pytest.raises(SystemExit, match="name the folder"):
        run("own_task.py")
    run("own_task.py", "terrain")
    assert len(list((here / "terrain" / "elevation").iterdir())) == 120


@pytest.mark.parametrize("recipe", ["both", "semseg_only", "depth_only"])
def test_recipes_for_photographs(recipe: str) -> None:
    experiment = load_name(EXAMPLES / "nyuv2_photographs.py", recipe)()
    assert isinstance(experiment, Experiment)
    with pytest.raises(FileNotFoundError, match="taskscape prepare"):
        experiment.check()
    replace(experiment, data=Streets(train=2, val=1)).check()
