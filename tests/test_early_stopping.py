"""Early stopping, losses and metrics besides those of training, and the files of a finished run."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from taskscape import runs
from taskscape.errors import Interrupted
from taskscape.evaluation import Evaluation
from taskscape.run_folder import RunFolder
from taskscape.runs import Experiment
from taskscape.tasks import Depth
from taskscape.training import checkpoint
from taskscape.training.selection import BestEpoch
from tiny import tiny, trainer


def stalled(store: Path) -> Experiment:
    """Return an experiment whose metric stops improving after some epochs."""
    start = tiny(store)
    return replace(
        start, epochs=12, patience=2, monitor="depth/abs_rel", optimizer=replace(start.optimizer, lr=0.3), seed=3
    )


def test_epochs_since_the_best_are_counted() -> None:
    best = BestEpoch({"depth": Depth()}, "depth/abs_rel")
    specs = {f"depth/{name}": spec for name, spec in Depth().metrics().specs.items()}
    since = []
    for value in (0.5, 0.4, 0.45, 0.4, 0.3, 0.35):
        best.update(Evaluation({"depth/abs_rel": value}, specs, {}, 1, 0.0))
        since.append(best.epochs_since)
    assert since == [0, 0, 1, 2, 0, 1]  # an equal value is not better


def test_a_run_stops_when_its_metric_does_not_get_better(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs.train(stalled(store), tmp_path / "run")
    rows = RunFolder(tmp_path / "run").metric_rows()
    errors = [float(row["val/depth/abs_rel"]) for row in rows]
    assert 3 <= len(rows) < 12
    assert min(range(len(errors)), key=errors.__getitem__) == len(errors) - 3
    said = " ".join(capsys.readouterr().err.split())
    best = len(errors) - 2
    assert f"stopped early after epoch {len(errors)} of 12: depth/abs_rel was best in epoch {best} (patience 2)" in said


def test_patience_changes_nothing_before_it_ends(store: Path, tmp_path: Path) -> None:
    trainer(replace(stalled(store), patience=None), tmp_path / "whole").run()
    trainer(stalled(store), tmp_path / "early").run()
    whole, early = (RunFolder(tmp_path / name).metric_rows() for name in ("whole", "early"))
    assert [row["val/depth/abs_rel"] for row in early] == [row["val/depth/abs_rel"] for row in whole][: len(early)]


def test_a_resumed_run_stops_after_the_same_epoch(store: Path, tmp_path: Path) -> None:
    experiment = stalled(store)
    trainer(experiment, tmp_path / "whole").run()
    end = len(RunFolder(tmp_path / "whole").metric_rows())
    for stop in (end - 1, end):  # within its patience, and at its end
        run = tmp_path / f"stopped-{stop}"
        first = trainer(experiment, run)
        first.interrupts.requested_anywhere = (  # type: ignore[method-assign]
            lambda device, first=first, stop=stop: first.step >= stop * len(first.train_data)
        )
        if stop < end:
            with pytest.raises(Interrupted):
                first.run()
        else:
            first.interrupts.requested_anywhere = lambda device: False  # type: ignore[method-assign]
            first.run()
        second = trainer(experiment, run)
        assert second.load_state(checkpoint.load(RunFolder(run).checkpoint)) == []
        second.run()
        states = [checkpoint.load(RunFolder(path).checkpoint) for path in (tmp_path / "whole", run)]
        assert states[0]["step"] == states[1]["step"]
        assert all(torch.equal(states[0]["network"][name], x) for name, x in states[1]["network"].items())


def test_validation_losses_and_metrics_of_training_images_are_logged(store: Path, tmp_path: Path) -> None:
    experiment = replace(tiny(store), epochs=2, train_metrics=0.5)
    run = trainer(experiment, tmp_path)
    run.run()
    row = RunFolder(tmp_path).metric_rows()[-1]
    assert {"train/semseg/miou", "train/depth/abs_rel", "train/normals/mean"} <= row.keys()
    assert float(row["memory/process"]) > 1
    run.network.eval()
    batches = list(run.val_data.epoch(0))
    with torch.no_grad():
        for name, task in experiment.for_data(run.val_data.store).tasks.items():
            terms = [task.compute_loss(run.network(b.image).final[name], b.targets[name]) for b in batches]
            mean = sum(float(task.loss.mean(term)) for term in terms) / len(terms)
            assert float(row[f"val/loss/{name}"]) == pytest.approx(mean, rel=1e-4)


def test_metrics_of_training_images_change_nothing(store: Path, tmp_path: Path) -> None:
    for name, fraction in (("with", 0.4), ("without", 0.0)):
        trainer(replace(tiny(store), train_metrics=fraction), tmp_path / name).run()
    a, b = (checkpoint.load(RunFolder(tmp_path / name).checkpoint)["network"] for name in ("with", "without"))
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert "train/semseg/miou" not in RunFolder(tmp_path / "without").metric_rows()[-1]


def test_a_finished_run_leaves_its_weights_and_no_checkpoint(store: Path, tmp_path: Path) -> None:
    experiment = replace(tiny(store), epochs=1, keep_checkpoint=False)
    result = runs.train(experiment, tmp_path)
    folder = RunFolder(tmp_path)
    assert folder.weights.exists() and not folder.checkpoint.exists()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    again = runs.train(experiment, tmp_path, resume=True)  # finished: nothing is trained or written
    assert again.metrics == result.metrics
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
