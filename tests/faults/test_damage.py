"""Damaged files of a run are rebuilt from the others if possible; otherwise the message gives the remedy."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from dying import experiment

from taskscape import runs
from taskscape.report import write_report
from taskscape.run_folder import RunFolder, RunLogger
from taskscape.run_folder.events import cut_events, read_events


@pytest.fixture
def run(trained: Callable[[int], Path], tmp_path: Path) -> RunFolder:
    return RunFolder(shutil.copytree(trained(3), tmp_path / "run"))


def without_head(text: str) -> str:
    return text.split("\n", 1)[1]


DAMAGES = {
    "without head": without_head,
    "empty": lambda text: "",
    "another file": lambda text: "\0\1\2",
    "fewer rows": lambda text: "\n".join(text.split("\n")[:2]) + "\n",
    "torn in a number": lambda text: text[:-4],
    "no steps": lambda text: text.replace("step", "stop"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_table_is_made_anew(
    damage: str, run: RunFolder, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = run.table()
    run.metrics.write_text(DAMAGES[damage](run.metrics.read_text()))
    if damage != "fewer rows":  # which is a valid table
        assert len(run.metric_rows()) == 3
        assert write_report(run.path).exists()
    runs.train(experiment(store, epochs=4), run.path, resume=True)
    assert "metrics.csv was rebuilt from the TensorBoard events" in " ".join(capsys.readouterr().err.split())
    after = run.table()
    for old, new in zip(before, after[:3], strict=True):
        assert old.keys() == new.keys() and old["epoch"] == new["epoch"] and old["step"] == new["step"]
        assert [float(new[name]) for name in old] == pytest.approx([float(cell) for cell in old.values()], rel=1e-6)


@pytest.mark.parametrize("content", [None, b"", b"torn"])
def test_a_later_epoch_takes_the_place_of_lost_weights(
    content: bytes | None, run: RunFolder, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is None:
        run.weights.unlink()
    else:
        run.weights.write_bytes(content)
    result = runs.train(experiment(store, epochs=4), run.path, resume=True)
    said = " ".join(capsys.readouterr().err.split())
    assert "takes its place" in said and ("best.safetensors is gone" in said) == (content is None)
    assert runs.evaluate(run.path, device="cpu", quiet=True).metrics == result.metrics


def test_a_damaged_table_without_events_is_named(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.metrics.write_text("1,10,0.5\n")
    with pytest.raises(ValueError, match=r"metrics.csv is damaged \(its first line does not name.*delete it"):
        run.metric_rows()


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_damaged_samples_are_named(share: float, run: RunFolder, store: Path) -> None:
    content = run.samples().read_bytes()
    run.samples().write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=r"samples.npz is damaged .*make it again with `taskscape evaluate .*run`"):
        write_report(run.path)
    runs.evaluate(run.path, quiet=True)
    assert write_report(run.path).exists()


def test_events_are_cut_at_the_step_and_where_they_are_torn(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    log = RunLogger(folder)
    for step in range(1, 6):
        log.log_step(step, {"a": step, "b": -step})
    log.close()
    (path,) = folder.events
    with path.open("ab") as file:
        file.write(b"\x20\0\0\0\0\0\0\0torn")
    cut_events(path, 5)
    assert [event.step for event, _ in read_events(path)] == [0, 1, 2, 3, 4, 5]
    assert list(read_events(path))[-1][1] == path.stat().st_size
    cut_events(path, 3)
    assert [event.step for event, _ in read_events(path)] == [0, 1, 2, 3]
    cut_events(path, 0)
    assert not path.exists()


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"\xff" * 100])
def test_a_file_without_an_event_is_removed(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "events.out.tfevents.1.000"
    path.write_bytes(content)
    cut_events(path, 10)
    assert not path.exists()
