"""Writes requirements-dev.lock: the versions that pip resolves for the development environment, with no index named.

python .ci/lock.py
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEAD = """\
# The development environment, version by version: pip install -r requirements-dev.lock, then pip install --no-deps -e .
# Made by `python .ci/lock.py` for CPython {version} on {platform}; pyproject.toml says what is needed, and why.
"""


def main() -> None:
    """Ask pip, without installing anything."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        install = ["install", "--quiet", "--dry-run", "--ignore-installed", "--report", str(report)]
        subprocess.run([sys.executable, "-m", "pip", *install, f"{ROOT}[test,docs]"], check=True)
        write(report)


def write(report: Path) -> None:
    """Write the lock file from a report of pip."""
    content = json.loads(report.read_text("utf-8"))
    packages = {entry["metadata"]["name"]: entry["metadata"]["version"] for entry in content["install"]}
    lines = [f"{name}=={packages[name]}" for name in sorted(packages, key=str.lower) if name != "taskscape"]
    where = content["environment"]
    head = HEAD.format(version=where["python_version"], platform=where["sys_platform"])
    (ROOT / "requirements-dev.lock").write_text(head + "\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
