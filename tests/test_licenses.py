"""Licenses of dependencies are compatible with the package's; the lists of packages and licenses are complete."""

import csv
import importlib.metadata
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
ROWS = list(csv.DictReader((ROOT / "licenses.csv").read_text("utf-8").splitlines()))


def pinned(name: str) -> set[str]:
    """Return the packages of a lock file."""
    lines = (ROOT / name).read_text("utf-8").splitlines()
    return {canonicalize_name(line.partition("==")[0]) for line in lines if not line.startswith("#")}


LOCKS = ("requirements-dev.lock", "requirements-extras.lock")


def test_no_copyleft_package_is_always_needed() -> None:
    needed = [row for row in ROWS if row["needed"] == "always"]
    assert len(needed) > 20
    for row in needed:
        assert not re.search(r"GPL|General Public|Affero", row["license"]), row


def test_the_lists_have_every_dependency() -> None:
    listed = {row["package"] for row in ROWS}
    for text in importlib.metadata.requires("taskscape") or ():
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        locks = LOCKS if requirement.marker is None else LOCKS[1:]  # requirements with a marker belong to an extra
        if name != "taskscape":
            assert name in listed, f"{name}: run .ci/licenses.py"
            assert all(name in pinned(lock) for lock in locks), f"{name}: run .ci/lock.py"


def test_licenses_are_stated() -> None:
    unknown = [row["package"] for row in ROWS if row["license"] == "not stated"]
    assert len(unknown) < len(ROWS) / 20, f"an old pip leaves out licenses: {unknown}"


@pytest.mark.parametrize("lock", LOCKS)
def test_the_lock_files_name_no_host(lock: str) -> None:
    for line in (ROOT / lock).read_text("utf-8").splitlines():
        assert line.startswith("#") or re.fullmatch(r"[\w.-]+==[\w.+!-]+", line), line
