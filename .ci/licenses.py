"""Write licenses.csv: each package of the development environment and of all extras, its license, and what needs it.

python .ci/licenses.py

Nothing is installed: pip reports the metadata of what it would install.
"""

import argparse
import csv
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lock import DEVELOPMENT, every_extra, resolved
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

FILE = Path(__file__).parents[1] / "licenses.csv"

Packages = Mapping[str, Mapping[str, Any]]
"""Metadata by name."""


def main() -> None:
    """Write the list."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    write(resolved(every_extra()))


def write(report: Any) -> None:
    """Write the list from a report of pip with all extras."""
    packages = {canonicalize_name(entry["metadata"]["name"]): entry["metadata"] for entry in report["install"]}
    always, development = closure(packages, set()), closure(packages, {*DEVELOPMENT})
    rows = [
        (
            name,
            license_of(metadata),
            "always" if name in always else "for tests or documents" if name in development else "for extras",
        )
        for name, metadata in sorted(packages.items())
        if name != "taskscape"
    ]
    with FILE.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("package", "license", "needed"))
        table.writerows(rows)


def closure(packages: Packages, extras: set[str]) -> set[str]:
    """Return the names of all packages that taskscape needs with these extras."""
    stack = [("taskscape", frozenset(extras))]
    seen = set(stack)
    while stack:
        name, requested_extras = stack.pop()
        for requirement in map(Requirement, packages[name].get("requires_dist", ())):
            marker = requirement.marker
            item = (canonicalize_name(requirement.name), frozenset(requirement.extras))
            is_needed = marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *requested_extras))
            if is_needed and item[0] in packages and item not in seen:
                seen.add(item)
                stack.append(item)
    return {name for name, _ in seen} - {"taskscape"}


def license_of(metadata: Mapping[str, Any]) -> str:
    """Return the license stated in a package's metadata, on one line."""
    classifiers = [
        text.rpartition(" :: ")[2] for text in metadata.get("classifier", ()) if text.startswith("License ::")
    ]
    field = (metadata.get("license") or "").strip().partition("\n")[0]
    text = metadata.get("license_expression") or "; ".join(classifiers) or field or "not stated"
    return re.sub(r"\s+", " ", text)[:100]


if __name__ == "__main__":
    main()
