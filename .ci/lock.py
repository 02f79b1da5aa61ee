"""Write lock files, which name no index, with the versions that pip resolves for two environments.

python .ci/lock.py

requirements-dev.lock is the development environment, requirements-extras.lock the one with all extras.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
DEVELOPMENT = ("test", "docs")
HEAD = """\
# {what}, version by version: pip install -r {name}, then pip install --no-deps -e .
# Made by `python .ci/lock.py` for CPython {version} on {platform}; pyproject.toml says what is needed, and why.
"""
FILES = {
    "requirements-dev.lock": "The development environment",
    "requirements-extras.lock": "The development environment with all extras",
}


def main() -> None:
    """Write both files."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    for (name, title), extras in zip(FILES.items(), (DEVELOPMENT, every_extra()), strict=True):
        write(resolved(extras), name, title)


def every_extra() -> list[str]:
    """Return the names of all extras."""
    return list(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"])


def resolved(extras: Sequence[str]) -> Any:
    """Return pip's report of what it would install with these extras: names, versions and metadata."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        install = ["install", "--quiet", "--dry-run", "--ignore-installed", "--report", str(report)]
        subprocess.run([sys.executable, "-m", "pip", *install, f"{ROOT}[{','.join(extras)}]"], check=True)
        return json.loads(report.read_text("utf-8"))


def write(report: Any, name: str, title: str) -> None:
    """Write a lock file from a report of pip."""
    packages = {entry["metadata"]["name"]: entry["metadata"]["version"] for entry in report["install"]}
    lines = [f"{package}=={packages[package]}" for package in sorted(packages, key=str.lower) if package != "taskscape"]
    environment = report["environment"]
    head = HEAD.format(
        what=title, name=name, version=environment["python_version"], platform=environment["sys_platform"]
    )
    (ROOT / name).write_text(head + "\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
