"""Strings are accepted as paths everywhere in Python."""

from dataclasses import replace
from pathlib import Path

from PIL import Image

import taskscape
from taskscape.data import Packed, Store
from taskscape.data.check import check
from taskscape.inference import load
from taskscape.inference.predict import predict
from taskscape.report import write_comparison, write_report
from tiny import tiny


def test_text_is_a_path(store: Path, tmp_path: Path) -> None:
    assert Packed(str(store)) == Packed(store)  # type: ignore[arg-type]
    assert len(Store.open(str(store), "train"))
    assert check(str(store)) is not None
    experiment, runs = replace(tiny(store), epochs=1), [str(tmp_path / name) for name in "ab"]
    for seed, run in enumerate(runs):
        taskscape.train(replace(experiment, seed=seed), run, quiet=True)
    assert write_report(runs[0]).is_file()
    assert write_comparison(runs, str(tmp_path / "page.html")).is_file()
    Image.new("RGB", (40, 30), "gray").save(tmp_path / "image.png")
    assert all(
        path.is_file()
        for path in predict(load(runs[0], device="cpu"), [str(tmp_path / "image.png")], str(tmp_path / "out"))
    )
