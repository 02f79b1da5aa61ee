"""Files that are written together are either all replaced or all unchanged."""

import errno
from pathlib import Path

import pytest

from taskscape.files import written_together


def content(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def write(folder: Path, text: str) -> None:
    with written_together(folder) as part:
        (part / "page").mkdir()
        for name in ("a", "page/b", "z"):
            (part / name).write_text(text)


def test_files_replace_those_of_their_names(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    write(folder, "one")
    (folder / "page" / "own").write_text("kept")
    write(folder, "two")
    assert content(folder) == {"a": "two", "page/b": "two", "z": "two", "page/own": "kept"}
    assert sorted(path.name for path in folder.iterdir()) == ["a", "page", "z"]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, ValueError, OSError])
def test_a_failure_leaves_what_was_there(kind: type[BaseException], tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        with written_together(folder) as part:
            (part / "a").write_text("two")
            raise kind(errno.ENOSPC, "full")

    write(tmp_path / "there", "one")
    before = content(tmp_path)
    for folder in ("there", "not/there"):
        with pytest.raises(kind):
            fail(tmp_path / folder)
    assert content(tmp_path) == before and list(tmp_path.iterdir()) == [tmp_path / "there"]


def test_what_was_moved_is_moved_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "one")
    before, replace = content(tmp_path), Path.replace

    def stopped(self: Path, target: Path) -> Path:
        if target == tmp_path / "z" and self.read_text() == "two":
            raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", stopped)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, "two")
    assert content(tmp_path) == before


def test_a_folder_in_the_place_of_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "z").mkdir()
    with pytest.raises(IsADirectoryError, match=r"/z: .*a folder is in its place: move it away"):
        write(tmp_path, "one")
    assert not content(tmp_path)


def test_messages_name_the_place_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as error, written_together(tmp_path) as part:
        (part / "missing" / "a").write_text("one")
    assert str(tmp_path / "missing" / "a") in str(error.value)


def test_one_process_writes_at_a_time_and_litter_of_a_kill_goes(tmp_path: Path) -> None:
    (tmp_path / ".writing" / "new").mkdir(parents=True)
    (tmp_path / ".writing" / "new" / "old").write_text("of a killed process")
    with (
        written_together(tmp_path) as part,
        pytest.raises(ValueError, match="is being written by process"),
        written_together(tmp_path),
    ):
        pass
    assert not part.exists() and not list(tmp_path.iterdir())
