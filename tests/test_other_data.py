"""A run records its data: other data are rejected when resuming, and never replace a result."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from blocks import pack
from taskscape import runs
from taskscape.data import Packed, Store
from taskscape.run_folder import Result, RunFolder
from tiny import tiny


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Train a run of one epoch on a store that the test may replace."""
    pack(tmp_path / "store", train=8)
    runs.train(replace(tiny(tmp_path / "store"), epochs=1), tmp_path / "run", quiet=True)
    return tmp_path / "run"


def other_data(store: Path) -> None:
    shutil.rmtree(store)
    pack(store, train=12)


def test_resuming_with_other_data_is_refused(run: Path, tmp_path: Path) -> None:
    experiment = tiny(tmp_path / "store")
    other_data(tmp_path / "store")
    with pytest.raises(ValueError, match=r"run was trained with other data: the split train in .*--from .*run --out"):
        runs.train(experiment, run, resume=True, quiet=True)


def test_the_same_data_elsewhere_are_the_same(run: Path, tmp_path: Path) -> None:
    (tmp_path / "store").rename(tmp_path / "moved")
    runs.train(
        replace(tiny(tmp_path / "store"), data=Packed(tmp_path / "moved"), epochs=2), run, resume=True, quiet=True
    )
    assert len(RunFolder(run).metric_rows()) == 2


def test_a_result_is_never_replaced_by_that_of_other_data(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = Result.load(RunFolder(run).result())
    assert before.data == Store.open(tmp_path / "store", "val").manifest.fingerprint
    other_data(tmp_path / "store")
    now = Store.open(tmp_path / "store", "val").manifest.fingerprint
    result = runs.evaluate(run, device="cpu")
    name = f"val-{now[:8]}"
    assert (result.split, result.data) == (name, now)
    said = capsys.readouterr().err.replace("\n", "")
    assert f"fingerprint {now} instead of {before.data}" in said and f"result-{name}.json" in said
    assert Result.load(RunFolder(run).result()) == before
    assert Result.load(run / f"result-{name}.json") == result and (run / f"samples-{name}.npz").exists()


def test_a_run_of_an_earlier_version_is_known_by_its_result(run: Path, tmp_path: Path) -> None:
    RunFolder(run).data.unlink()
    other_data(tmp_path / "store")
    assert runs.evaluate(run, device="cpu", quiet=True).split.startswith("val-")


def test_a_damaged_record_of_the_data_is_named(run: Path) -> None:
    RunFolder(run).data.write_text("{")
    with pytest.raises(ValueError, match=r"data\.json is damaged.*restore it from a copy, or delete it"):
        runs.evaluate(run, device="cpu", quiet=True)
