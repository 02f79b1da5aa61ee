"""The demo ends with predictions for a photograph, which the report shows."""

import shutil
from pathlib import Path

import pytest
from PIL import Image

from taskscape.demo import photograph
from taskscape.released import PHOTOGRAPHER
from taskscape.report import write_report
from taskscape.report.sections.photograph import TITLE


def test_the_report_shows_the_photograph(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    assert TITLE not in write_report(tmp_path / "run").read_text("utf-8")
    picture = photograph(tmp_path / "run")
    with Image.open(picture) as image:
        assert image.width > 3 * 640  # the photograph and a view of every task
    page = write_report(tmp_path / "run").read_text("utf-8")
    assert TITLE in page and PHOTOGRAPHER in page
    picture.write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"street\.side-by-side\.png"):
        write_report(tmp_path / "run")
