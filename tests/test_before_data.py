"""Settings are checked before data are made, and no run replaces another one."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import pytest

from taskscape import recipes, runs
from taskscape.cli import main
from taskscape.commands import train
from taskscape.data import DataSource, Packed, Store, Streets
from taskscape.losses import CrossEntropy, SILog
from taskscape.progress import ProgressCallback
from taskscape.run_folder import RunFolder
from taskscape.runs import Experiment
from taskscape.tasks import Depth, SemanticSegmentation, SurfaceNormals
from tiny import tiny


@dataclass(frozen=True)
class Unmade(Streets):
    """Streets that must not be made."""

    name: ClassVar[str] = "unmade"

    def open(self, report: ProgressCallback | None = None) -> dict[str, Store]:
        raise AssertionError("data are made")


def unmade(**changes: object) -> Experiment:
    return replace(recipes.joint(), **{"data": Unmade(train=8, val=4), "device": "cpu", **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"monitor": "semseg/mIoU"}, "monitor is 'semseg/mIoU'"),
        ({"monitor": "semseg/iou/unicorn"}, "monitor is 'semseg/iou/unicorn'"),
        ({"data": Unmade(train=1, val=4)}, "train 1, val 4; the split train needs at least 2"),
        ({"data": Unmade(train=8, val=0)}, "train 8; the split train needs at least 2, and val 1"),
        (
            {"tasks": {"semseg": SemanticSegmentation(loss=CrossEntropy(class_weights=(1.0, 2.5)))}},
            "class_weights has 2 entries for 19 classes: give one per class",
        ),
        ({"tasks": {"normal": SurfaceNormals()}}, "tasks.normal: streets has no field 'normal'"),
        ({"tasks": {"semseg": SemanticSegmentation(), "depth": Depth(source="semseg")}}, "holds semseg, not depth"),
    ],
)
def test_mistakes_are_found_before_data_are_made(change: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        runs.train(unmade(**change), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_command_with_a_mistake_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for start in ("runs/jont", "weights.safetensors"):
        with pytest.raises((ValueError, OSError), match=start):
            train.main(["joint", "--from", start])
        assert not any(tmp_path.iterdir())
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "notes.txt").touch()
    with pytest.raises((ValueError, OSError)):
        train.main(["joint", "--data.path", "nowhere"])
    assert [path.name for path in tmp_path.rglob("*")] == ["runs", "notes.txt"]


def test_a_class_of_the_data_may_be_monitored() -> None:
    unmade(monitor="semseg/iou/car").check()


def test_previews_are_what_is_opened(store: Path, tmp_path: Path) -> None:
    sources: list[DataSource] = [Packed(store), Streets(train=2, val=1, size=(8, 16), folder=tmp_path)]
    for source in sources:
        preview, stores = source.preview(), source.open()
        assert preview is not None
        assert {split: len(one) for split, one in stores.items()} == preview.counts
        assert stores["train"].fields == preview.fields


def test_a_run_is_never_overwritten(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    experiment, run = replace(tiny(store), epochs=1, keep_checkpoint=False), tmp_path / "run"
    result = runs.train(experiment, str(run), quiet=True)

    def before() -> dict[str, bytes]:
        return {p.name: p.read_bytes() for p in run.iterdir() if p.is_file()}

    files = before()
    with pytest.raises(ValueError, match=r"run holds a run.*--resume"):
        runs.train(experiment, run, quiet=True)
    main(["train", "--resume", str(run)])
    assert "is finished" in capsys.readouterr().out
    assert before() == files
    assert runs.train(experiment, run, resume=True, quiet=True).metrics == result.metrics


def test_a_run_that_failed_in_its_first_step_starts_again_with_the_corrected_code(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment, run = replace(tiny(store), epochs=1), tmp_path / "run"
    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr("taskscape.training.step.TrainingStep.__call__", lambda *_: 1 / 0)
        runs.train(experiment, run, quiet=True)
    assert (run / "experiment.yaml").exists()
    assert runs.train(replace(experiment, seed=3), run, quiet=True).metrics
    assert runs.read_experiment(run).seed == 3
    assert [row["epoch"] for row in RunFolder(run).metric_rows()] == ["1"]


def test_a_finished_run_that_keeps_its_checkpoint_is_finished(store: Path, tmp_path: Path) -> None:
    experiment, run = replace(tiny(store), epochs=1, keep_checkpoint=True, tta="mirror"), tmp_path / "run"
    runs.train(experiment, run, quiet=True)
    folder, saved = RunFolder(run), runs.read_experiment(run)
    written = folder.result().stat().st_mtime_ns
    assert runs.is_finished(folder, saved)
    runs.train(saved, run, resume=True, quiet=True)
    assert folder.result().stat().st_mtime_ns == written
    assert not runs.is_finished(folder, replace(saved, epochs=2))
    folder.result(tta=True).unlink()
    assert not runs.is_finished(folder, saved)


def test_a_finished_run_of_other_settings_is_not_taken_for_the_result(store: Path, tmp_path: Path) -> None:
    tasks = tiny(store).tasks
    segmentation = SemanticSegmentation(loss=CrossEntropy(class_weights="inverse-log"))
    experiment = replace(
        tiny(store), epochs=1, keep_checkpoint=False, precision="auto", tasks={**tasks, "semseg": segmentation}
    )
    run = tmp_path / "run"
    result = runs.train(experiment, run, quiet=True)
    same = replace(experiment, checkpoint_minutes=3.0, note="a remark")
    assert runs.train(same, run, resume=True, quiet=True).metrics == result.metrics
    for changes, names in (
        ({"epochs": 2}, "epochs"),
        ({"patience": 3, "seed": 1}, "seed, patience"),
        ({"tasks": {**experiment.tasks, "depth": replace(tasks["depth"], loss=SILog())}}, r"tasks\.depth\.loss.*"),
        ({"tasks": {"semseg": segmentation, "depth": tasks["depth"]}}, r"tasks\.normals\..*"),
    ):
        message = rf"run is finished, and was trained with other settings \({names}\)"
        with pytest.raises(ValueError, match=message):
            runs.train(replace(experiment, **changes), run, resume=True, quiet=True)
