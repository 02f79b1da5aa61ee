"""The data commands: the summary of ``prepare``, and terminals that lack characters."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from taskscape.cli import main
from taskscape.data.readers import Folder


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Write rooms whose millimeters are declared as meters."""
    folder = tmp_path / "raw"
    for kind in ("images", "depth"):
        (folder / kind).mkdir(parents=True)
    (folder / "taskscape.yaml").write_text("splits: {train: 3, val: 2}\ndepth: {unit: meter}\n")
    for number in range(5):
        random = np.random.default_rng(number)
        Image.fromarray(random.integers(1, 255, (16, 24, 3), np.uint8)).save(folder / "images" / f"{number}.png")
        depth = np.linspace(900, 4000 + number, 16 * 24).reshape(16, 24).astype(np.uint16)
        Image.fromarray(depth).save(folder / "depth" / f"{number}.png")
    return folder


def test_prepare_and_check_say_what_is_wrong_in_any_terminal(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = []
    for arguments in (
        ["prepare", "folder", str(raw), str(tmp_path / "store")],
        ["data", "check", str(tmp_path / "store")],
    ):
        streams = [io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True) for _ in range(2)]
        monkeypatch.setattr(sys, "stdout", streams[0])
        monkeypatch.setattr(sys, "stderr", streams[1])
        main(arguments)
        printed.append("".join(stream.buffer.getvalue().decode("ascii") for stream in streams))  # type: ignore[attr-defined]
    for text in printed:
        assert "train, depth: the median depth is 2.45e+03 m, not 0.3 ? 150 m" in text


def test_a_file_in_the_place_of_a_folder_is_named(raw: Path) -> None:
    for image in (raw / "images").iterdir():
        image.unlink()
    (raw / "images").rmdir()
    (raw / "images").write_text("")
    with pytest.raises(ValueError, match="raw/images is a file, and a folder is needed"):
        Folder().contents(raw)


def test_contact_sheets_are_named_after_the_whole_name_of_the_store(raw: Path, tmp_path: Path) -> None:
    for name in ("rooms.v1", "rooms.v2"):
        main(["prepare", "folder", str(raw), str(tmp_path / name)])
        main(["data", "show", str(tmp_path / name), "--images", "1"])
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["rooms.v1.png", "rooms.v2.png"]
