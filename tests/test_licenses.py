"""What the package needs may be used with its own license; the lists of packages and licenses are complete."""

import csv
import importlib.metadata
import re
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
ROWS = list(csv.DictReader((ROOT / "licenses.csv").read_text("utf-8").splitlines()))
PINNED = {
    canonicalize_name(line.partition("==")[0])
    for line in (ROOT / "requirements-dev.lock").read_text("utf-8").splitlines()
    if not line.startswith("#")
}


def test_no_copyleft_package_is_always_needed() -> None:
    needed = [row for row in ROWS if row["needed"] == "always"]
    assert len(needed) > 20
    for row in needed:
        assert not re.search(r"GPL|General Public|Affero", row["license"]), row


def test_the_lists_have_every_dependency() -> None:
    listed = {row["package"] for row in ROWS}
    for text in importlib.metadata.requires("taskscape") or ():
        requirement = Requirement(text)
        if requirement.marker is None:
            name = canonicalize_name(requirement.name)
            assert name in PINNED and name in listed, f"{name}: run .ci/lock.py and .ci/licenses.py"


def test_the_lock_file_names_no_host() -> None:
    for line in (ROOT / "requirements-dev.lock").read_text("utf-8").splitlines():
        assert line.startswith("#") or re.fullmatch(r"[\w.-]+==[\w.+!-]+", line), line
