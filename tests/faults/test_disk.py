"""A full disk or a read-only folder: the message, the remaining files, and resuming."""

import errno
import io
import logging
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dying import experiment
from runs_compared import differences

from taskscape import files, logs, runs
from taskscape.cli import main
from taskscape.data import Store, StoreWriter
from taskscape.data.sources.streets import Streets
from taskscape.export import export
from taskscape.files import atomic_write, writing
from taskscape.inference.saving import write_metadata
from taskscape.modalities import Depth
from taskscape.report import html
from taskscape.run_folder import RunFolder
from taskscape.runs import Experiment
from taskscape.sweeps import worker

CASES = {
    errno.ENOSPC: "No space left on device; make room and continue",
    errno.EDQUOT: "uota exceeded; make room, or ask for a larger quota and continue",
    errno.EROFS: "Read-only file system; make the file system writable",
    errno.EACCES: "Permission denied; allow this user to write there",
    errno.EIO: "Input/output error; the disk reports a fault",
}


class Limited(io.FileIO):
    """A file on a disk with limited room, which all files created with ``opened`` share."""

    room = 10**9

    def write(self, content: Any, /) -> int:
        size = len(memoryview(content).cast("B"))
        taken = min(size, Limited.room)
        Limited.room -= taken
        super().write(memoryview(content).cast("B")[:taken])
        if taken < size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return size


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Return a function that limits the room for all further files to a number of bytes."""
    opened = Path.open

    def limited(path: Path, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        if "b" not in mode or not set(mode) & set("wxa+"):
            return opened(path, mode, *arguments, **options)
        return io.BufferedWriter(Limited(path, mode.replace("b", ""))) if "+" not in mode else opened(path, mode)

    def limit(room: int) -> None:
        Limited.room = room
        monkeypatch.setattr(Path, "open", limited)

    yield limit
    monkeypatch.setattr(Path, "open", opened)


@pytest.mark.parametrize(("number", "message"), CASES.items())
def test_the_message_says_what_it_was_and_what_helps(
    number: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    atomic_write(path, "old")

    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    expected = f"could not write .*file: .*{message}.*; the previous file is kept"
    with pytest.raises(OSError, match=expected) as caught:
        atomic_write(path, "new")
    assert caught.value.errno == number
    assert ("make room" in str(caught.value)) == (number in (errno.ENOSPC, errno.EDQUOT))
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_an_interrupted_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        atomic_write(tmp_path / "file", "new")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="there are no such locks")
def test_several_writers_of_one_file_do_not_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each writes while the previous one waits for the disk: none fails, and no temporary file is left."""
    path, synchronized = tmp_path / "file", os.fsync

    def another_writes(descriptor: int) -> None:
        monkeypatch.setattr(os, "fsync", synchronized)
        atomic_write(path, "second")
        assert path.read_text() == "second"

    monkeypatch.setattr(os, "fsync", another_writes)
    atomic_write(path, "first")
    assert path.read_text() == "first" and list(tmp_path.iterdir()) == [path]


def test_a_file_that_a_kill_left_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "file.part").write_text("half")
    atomic_write(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "new" and len(list(tmp_path.iterdir())) == 1


def test_a_symbolic_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    for name in ("file", "file.part"):
        (tmp_path / name).symlink_to(tmp_path / "precious")
    atomic_write(tmp_path / "file", "new")
    assert (tmp_path / "precious").read_text() == "precious"
    assert (tmp_path / "file").read_text() == "new" and not (tmp_path / "file").is_symlink()


@pytest.fixture
def whole(trained: Callable[[int], Path]) -> Path:
    """Return a run without any fault."""
    return trained(2)


@pytest.fixture
def run(trained: Callable[[int], Path], tmp_path: Path) -> Path:
    """Return a finished run of one epoch."""
    return shutil.copytree(trained(1), tmp_path / "run")


def goes_on(settings: Experiment, run: Path, whole: Path) -> None:
    """Assert that a failed run leaves no incomplete files, and that it completes correctly when resumed."""
    assert not list(run.rglob("*.part")) and not RunFolder(run).lock.exists()
    runs.train(settings, run, resume=True, quiet=True)
    assert differences(whole, run) == []


@pytest.mark.parametrize("room", [100, 20_000, 60_000])
def test_a_run_goes_on_when_there_is_room_again(
    room: int, disk: Callable[[int], None], store: Path, tmp_path: Path, whole: Path
) -> None:
    settings, run = experiment(store, epochs=2), tmp_path / "run"
    disk(room)
    with pytest.raises(OSError, match=r"could not write .*run.*: No space left on device; make room and continue"):
        runs.train(settings, run, quiet=True)
    disk(10**9)
    goes_on(settings, run, whole)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root mounts file systems")
def test_a_small_file_system_that_is_full(store: Path, tmp_path: Path, whole: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)], capture_output=True)
    if mounted.returncode:
        pytest.skip("file systems cannot be mounted here")
    try:
        (small / "filler").write_bytes(bytes(2**20 - 60_000))
        settings, run = experiment(store, epochs=2), small / "run"
        with pytest.raises(OSError, match=r"could not write .*run.*: No space left on device; make room and continue"):
            runs.train(settings, run, quiet=True)
        (small / "filler").unlink()
        goes_on(settings, run, whole)
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_log_that_cannot_be_written_hides_no_error(tmp_path: Path) -> None:
    (tmp_path / "train.log").symlink_to("/dev/full")
    with pytest.raises(OSError, match="could not write it; make room"), logs.written_to_file() as keep_in:
        logging.getLogger("taskscape").warning("a message")
        keep_in(tmp_path / "train.log")
        raise OSError(errno.ENOSPC, "could not write it; make room")


def test_logs_and_sweeps_tell_errors_as_commands_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the number of the operating system."""
    message = "could not write last.ckpt: No space left on device; make room and continue"

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, message)

    with pytest.raises(OSError, match="make room"), logs.written_to_file() as keep_in:
        keep_in(tmp_path / "train.log")
        fail()
    assert (tmp_path / "train.log").read_text("utf-8").endswith(f" ERROR {message}\n")
    monkeypatch.setattr(worker, "work", fail)
    monkeypatch.setattr(worker, "end_with", lambda parent: None)
    monkeypatch.setattr("sys.argv", ["worker", str(tmp_path), "1", "0"])
    with pytest.raises(SystemExit):
        worker.main()
    assert capsys.readouterr().err == f"{message}\n"


def test_a_lock_for_which_there_is_no_room_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", fail)
    refused = pytest.raises(OSError, match=r"run.lock: No space left on device; make room and continue$")
    with refused, files.locked(tmp_path, tmp_path / "run.lock"):
        pass
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_removed_midway(
    store: Path, tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from taskscape.training.loop import Trainer

    settings, run = experiment(store, epochs=2), tmp_path / "run"
    saved, away = Trainer._save, tmp_path / "away"

    def save(trainer: Trainer) -> None:
        if trainer.step == 4:
            shutil.move(run, away)
        saved(trainer)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_save", save)
        with pytest.raises(OSError, match=r"could not write .*last.ckpt: No such file.*; its folder was removed"):
            runs.train(settings, run, quiet=True)
    assert not run.exists()
    shutil.move(away, run)
    assert not list(run.rglob("*.part"))
    runs.train(settings, run, resume=True, quiet=True)
    assert differences(whole, run) == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(store: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OSError, match=r"run.lock: Permission denied; allow this user to write there"):
        runs.train(experiment(store), tmp_path / "run", quiet=True)
    tmp_path.chmod(0o700)


@pytest.mark.parametrize(
    "write",
    [
        lambda folder: write_metadata({}, folder, {}),
        lambda folder: html.write(folder / "index.html", ""),
        lambda folder: Streets(train=1, val=1, folder=folder).open(lambda done, count: None),
        lambda folder: StoreWriter(folder, (8, 8), {"train": 1, "val": 1}, {"depth": Depth()}, {}),
    ],
    ids=["predictions", "report", "streets", "store"],
)
def test_a_folder_that_cannot_be_made(
    write: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **options: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "mkdir", fail)
    with pytest.raises(OSError, match=r"could not write .*new.*: Read-only file system; make the file system writable"):
        write(tmp_path / "new")


def test_a_store_that_may_not_be_read_is_not_called_damaged(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path, **_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(np.lib.format, "open_memmap", fail)
    with pytest.raises(PermissionError, match=r"\.npy"):
        Store.open(store, "train")


def test_a_file_in_the_way_of_a_folder(store: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"could not write .*: .*; .*file is a file, not a folder"):
        runs.train(experiment(store), tmp_path / "file" / "run", quiet=True)


@pytest.mark.parametrize("place", ["file", "file/below", "file/below/deeper"])
@pytest.mark.parametrize(
    "words",
    [
        "pull taskscape/streets-small --out PLACE",
        "train joint --data.train 2 --data.val 1 --out PLACE",
        "demo --out PLACE",
        "sweep joint --seeds 2 --out PLACE",
        "prepare folder RAW PLACE",
        "label taskscape/streets-small STORE --suffix _predicted --height 32 --out PLACE",
    ],
)
def test_a_file_in_the_place_of_a_folder_is_named_before_any_work(
    words: str, place: str, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    places = {"PLACE": str(tmp_path / place), "RAW": str(tmp_path), "STORE": str(store)}
    with pytest.raises(SystemExit):
        main([places.get(word, word) for word in words.split()])
    assert f"{tmp_path / 'file'} is a file: name a folder for the" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "mine"


def test_another_place_is_proposed_for_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKSCAPE_CACHE", str(tmp_path / "cache"))
    for place, said in (("cache", True), ("elsewhere", False)):
        with pytest.raises(OSError, match="Permission denied; allow") as caught, writing(tmp_path / place / "it"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        assert (", or set TASKSCAPE_CACHE to another folder and continue" in str(caught.value)) == said


def test_the_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"could not write .*page\.html: .*/file is a file, not a folder: choose another"):
        atomic_write(tmp_path / "file" / "page.html", "")
    with pytest.raises(OSError, match=r"file/deep: .*/file is a file, not a folder"), writing(tmp_path / "file/deep"):
        (tmp_path / "file" / "deep").mkdir(parents=True, exist_ok=True)
    (tmp_path / "page.html").mkdir()
    with pytest.raises(OSError, match=r"a folder is in its place: move it away and continue$"):
        atomic_write(tmp_path / "page.html", "")


@pytest.fixture
def small_files() -> Iterator[None]:
    """Make the system refuse files of more than 2 KB."""
    resource = pytest.importorskip("resource", reason="this system has no such limits")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2048, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_an_exported_file_that_cannot_be_written_leaves_nothing(
    run: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """torch's own file writer would end the process."""
    request.getfixturevalue("small_files")
    with pytest.raises(OSError, match=r"could not write .*model\.pt2: File too large; raise the limit on the size"):
        export(run, "torch", tmp_path / "out", size=(32, 64))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["sheet.png", "SHEET.JPG"])
def test_a_contact_sheet_is_written_whole_or_not_at_all(
    name: str, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    main(["data", "show", str(store), "--out", str(tmp_path / name)])
    before = (tmp_path / name).read_bytes()
    request.getfixturevalue("small_files")
    with pytest.raises(SystemExit):
        main(["data", "show", str(store), "--out", str(tmp_path / name)])
    assert "the previous file is kept" in capsys.readouterr().err
    assert (tmp_path / name).read_bytes() == before and [one.name for one in tmp_path.iterdir()] == [name]
    with pytest.raises(SystemExit):
        main(["data", "show", str(store), "--out", str(tmp_path / "sheet.psd")])
    assert "images cannot be written with this extension; use sheet.png" in capsys.readouterr().err


def test_an_empty_part_in_the_folder_of_a_store_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "manifest.json.part").touch()
    StoreWriter(tmp_path / "store", (8, 8), {"train": 1, "val": 1}, {"depth": Depth()}, {})


def test_the_command_ends_with_the_message(
    disk: Callable[[int], None], run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    disk(50)
    with pytest.raises(SystemExit) as ended:
        main(["train", "--resume", str(run)])
    disk(10**9)
    assert ended.value.code == 2
    assert "make room and continue" in " ".join(capsys.readouterr().err.split())


def test_a_folder_that_cannot_be_written_is_refused_before_the_evaluation(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    def unreached(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    monkeypatch.setattr("taskscape.runs.evaluate_run.load", unreached)
    with pytest.raises(OSError, match=r"could not write .*run: Read-only file system; make the file system writable"):
        runs.evaluate(run, quiet=True)
