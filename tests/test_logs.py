"""Messages of a run are shown and saved in its folder, and failures of either do not end it."""

import gc
import logging
import weakref
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console

from taskscape import logs, runs
from taskscape.cli import main
from taskscape.errors import TrainingError
from taskscape.serialization import dump
from tiny import tiny

LOGGER = logging.getLogger("taskscape.somewhere")


@pytest.mark.parametrize(
    ("level", "seen"), [(logging.WARNING, "w"), (logging.INFO, "wi"), (logging.DEBUG, "wid")], ids=str
)
def test_messages_are_shown_by_level(level: int, seen: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.show_from(level)
    try:
        with logs.shown_on(Console(stderr=True)):
            LOGGER.warning("w: %s", "[brackets] of a user")
            LOGGER.info("i")
            LOGGER.debug("d")
    finally:
        logs.show_from(logging.INFO)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "warning: w: [brackets] of a user"
    assert [line.removeprefix("warning: ")[0] for line in lines] == list(seen)
    LOGGER.warning("nobody listens any more")
    assert not logging.getLogger("taskscape").handlers


def test_messages_before_there_is_a_file_are_kept_too_and_so_is_the_end(tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    for _ in range(2):  # a second run continues the same file
        with pytest.raises(TrainingError), logs.written_to_file() as keep_in:
            LOGGER.info("before")
            keep_in(path)
            LOGGER.debug("after")
            raise TrainingError("the loss is not finite")
    lines = [line.split(" ", 3)[2:] for line in path.read_text().splitlines() if line[:2] == "20"]
    assert lines == [["INFO", "before"], ["DEBUG", "after"], ["ERROR", "the loss is not finite"]] * 2
    assert "Traceback" in path.read_text()


def test_a_log_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    with logs.written_to_file() as keep_in:
        keep_in(tmp_path / "missing" / "train.log")
        LOGGER.info("on")


def test_a_run_keeps_a_log_in_its_folder(store: Path, tmp_path: Path) -> None:
    experiment = replace(tiny(store), epochs=2)
    runs.train(experiment, tmp_path / "run", quiet=True)
    text = (tmp_path / "run" / "train.log").read_text()
    assert "DEBUG started: taskscape " in text and "INFO epoch 2/2  semseg/miou" in text
    before = len(text)
    runs.train(replace(experiment, epochs=3), tmp_path / "run", resume=True, quiet=True)
    assert "DEBUG resumed: taskscape " in (tmp_path / "run" / "train.log").read_text()[before:]


def test_quiet_and_verbose(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "experiment.yaml").write_text(dump(replace(tiny(store), epochs=1)))
    said = {}
    for flag in ("--quiet", "--verbose"):
        main(["train", "saved/experiment.yaml", flag, "--out", flag.strip("-")])
        out, said[flag] = capfd.readouterr()
        assert "run: " in out
    assert said["--quiet"] == "" or all(line.startswith("warning") for line in said["--quiet"].splitlines())
    assert "epoch 1/1" in said["--verbose"] and "saved step" in said["--verbose"]
    with pytest.raises(SystemExit):
        main(["recipes", "--quiet", "--verbose"])
    assert "exclude each other" in capfd.readouterr().err


@pytest.mark.parametrize("is_written", [True, False])
def test_a_logged_error_keeps_nothing_alive(is_written: bool, tmp_path: Path) -> None:
    """After a run that fails for lack of memory, the next one has all memory without a garbage collection."""
    networks = []

    def fail() -> None:
        network = torch.nn.Linear(1, 1)
        networks.append(weakref.ref(network))
        with logs.written_to_file() as keep_in:
            if is_written:
                keep_in(tmp_path / "train.log")
            raise RuntimeError("out of memory")

    gc.disable()
    try:
        with suppress(RuntimeError):
            fail()
        assert networks[0]() is None
    finally:
        gc.enable()
