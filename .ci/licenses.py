"""Writes licenses.csv: every package of the development environment, its license, and whether taskscape needs it.

python .ci/licenses.py
"""

import csv
import importlib.metadata
import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

FILE = Path(__file__).parents[1] / "licenses.csv"


def main() -> None:
    """Write the list."""
    hard, every = closure(), closure("test", "docs")
    rows = [(name, license_of(name), "always" if name in hard else "for tests or extras") for name in sorted(every)]
    with FILE.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("package", "license", "needed"))
        table.writerows(rows)


def closure(*extras: str) -> set[str]:
    """Return the names of all packages that taskscape needs with these extras, and that are installed here."""
    found: set[str] = set()
    rest = [("taskscape", frozenset(extras))]
    seen = set(rest)
    while rest:
        name, wanted = rest.pop()
        try:
            required = own(wanted) if name == "taskscape" else importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue  # for another system
        found.add(name)
        for requirement in map(Requirement, required):
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *wanted)):
                item = (canonicalize_name(requirement.name), frozenset(requirement.extras))
                if item not in seen:
                    seen.add(item)
                    rest.append(item)
    return found - {"taskscape"}


def own(extras: frozenset[str]) -> list[str]:
    """Return what pyproject.toml names."""
    project = tomllib.loads((FILE.parent / "pyproject.toml").read_text("utf-8"))["project"]
    optional = project["optional-dependencies"]
    return [*project["dependencies"], *(name for extra in extras for name in optional[extra])]


def license_of(name: str) -> str:
    """Return what a package's metadata say of its license, in a line."""
    metadata = importlib.metadata.metadata(name)
    classifiers = [
        text.rpartition(" :: ")[2] for text in metadata.get_all("Classifier") or () if text.startswith("License ::")
    ]
    field = (metadata.get("License") or "").strip().partition("\n")[0]
    text = metadata.get("License-Expression") or "; ".join(classifiers) or field or "not stated"
    return re.sub(r"\s+", " ", text)[:100]


if __name__ == "__main__":
    main()
