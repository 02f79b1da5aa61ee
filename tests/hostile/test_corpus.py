"""Every target reads its valid files, and reads or rejects those of the corpus."""

from pathlib import Path

import pytest
from limited import Reader, needs_fork, survived
from targets import CORPUS, is_named, kept, placed, targets

pytestmark = [needs_fork, pytest.mark.filterwarnings("ignore")]


@pytest.mark.parametrize("name", targets())
def test_targets(name: str, tmp_path: Path) -> None:
    pytest.importorskip({"mat-splits": "scipy", "mat-hdf5": "h5py"}.get(name, "taskscape"))
    suffix, sound, read = targets()[name]()
    for content in sound:
        path = placed(tmp_path, suffix)
        path.write_bytes(content)
        read(path)
        path.unlink()
    paths = []
    for file in kept(name):
        paths.append(placed(tmp_path / file.name, suffix))
        paths[-1].write_bytes(file.read_bytes())
    survived(named(read), paths)


def named(read: Reader) -> Reader:
    """Return a reader whose messages may name the folder of a data set instead of the file."""

    def reader(path: Path) -> None:
        try:
            read(path)
        except (ValueError, OSError) as error:
            if path.name in str(error) or not is_named(path, str(error)):
                raise
            raise ValueError(f"{path.name}: {error}") from error

    return reader


def test_the_corpus_has_folders_of_targets_only() -> None:
    assert {folder.name for folder in CORPUS.iterdir()} <= set(targets())


@pytest.mark.parametrize("target", ["coco.json", "annotations.xml"])
def test_files_outside_a_data_set_are_refused(target: str, tmp_path: Path) -> None:
    suffix, _, read = targets()[target]()
    for file in kept(target):
        if file.name.endswith(("-above", "-absolute")):
            path = placed(tmp_path / file.name, suffix)
            path.write_bytes(file.read_bytes())
            with pytest.raises(ValueError, match="leads out of the folder"):
                read(path)
