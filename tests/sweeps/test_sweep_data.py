"""A sweep does not mix runs on a store with runs on another store at the same path."""

import shutil
from pathlib import Path

import pytest
from test_sweeps import RATES, SEEDS, Here, swept

from blocks import pack
from taskscape import runs
from taskscape.data import DataSource, Mixed, Packed
from taskscape.run_folder import RunFolder
from taskscape.runs.known_data import require_unchanged
from taskscape.sweeps import Grid
from tiny import tiny


def test_runs_of_a_store_that_was_changed_are_not_taken_for_those_of_the_new_one(tmp_path: Path) -> None:
    store = pack(tmp_path / "store", seed=1)
    swept(store, Grid(tmp_path / "sweep", [RATES]), Here())
    first = Here()
    swept(store, Grid(tmp_path / "sweep", [RATES, SEEDS]), first)
    assert len(first.trained) == 4  # different runs, with a seed in their names
    shutil.rmtree(store)
    pack(store, seed=2)
    again = Here()
    with pytest.raises(ValueError, match=r"lr=1e-3 is finished, and was trained with other data.*another folder"):
        swept(store, Grid(tmp_path / "sweep", [RATES]), again)
    assert not again.trained


def test_mixed_stores_are_compared_too(tmp_path: Path) -> None:
    stores = [pack(tmp_path / name, seed=number) for number, name in enumerate("ab")]
    mixed = Mixed(tuple(map(str, stores)))
    experiment = tiny(stores[0])
    runs.train(runs.Experiment(**{**vars(experiment), "data": mixed, "epochs": 1}), tmp_path / "run", quiet=True)
    data: DataSource
    for data in (mixed, Packed(tmp_path / "not there")):
        require_unchanged(RunFolder(tmp_path / "run"), data)
    shutil.rmtree(stores[1])
    pack(stores[1], seed=7)
    with pytest.raises(ValueError, match="was trained with other data"):
        require_unchanged(RunFolder(tmp_path / "run"), mixed)
