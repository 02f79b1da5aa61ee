"""Findings of a self-check, as text and as a file of the run."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from taskscape.files import atomic_write
from taskscape.selfcheck.apply import Remedy
from taskscape.serialization import counted, listed, structure, unstructure
from taskscape.serialization.plain import read_json

IN_WORDS: dict[Remedy | None, str] = {
    "contiguous": "runs in contiguous memory",
    "float32": "runs in float32",
    None: "has no remedy",
}
"""What follows the name of a layer."""
_IN_PLURAL = {"runs": "run", "has": "have"}


@dataclass(frozen=True)
class Finding:
    """An operator that a machine computes wrongly in reduced precision."""

    operator: str
    """The operator with its settings."""
    layers: tuple[str, ...]
    """The modules of the network that use it."""
    wrong: str
    """The outputs and gradients that differ from float32, and by how much."""
    remedy: Remedy | None
    """The remedy that makes it correct, if any."""

    def __str__(self) -> str:
        layers = ", ".join(layer or "the network" for layer in self.layers)
        return f"{layers}: {short(self.operator)}: {self.wrong}; {IN_WORDS[self.remedy]}"


def short(operator: str) -> str:
    """Return the title of an operator without default settings: ``Conv2d(24, 24, kernel_size=3, dilation=2)``."""
    text = re.sub(r"\s+", " ", operator.partition(" in ")[0])
    text = re.sub(r"\((\d+), \1\)", r"\1", text)
    return re.sub(
        r"(, )?\b(stride=1|\w+=None|(?<!\w)antialias=False|ceil_mode=False|return_indices=False)(?=[,)])", "", text
    )


def in_one_line(findings: Sequence[Finding]) -> str:
    """Return a one-line summary of the findings and their remedies; an empty string without findings."""
    if not findings:
        return ""
    layers = list(dict.fromkeys(layer or "the network" for finding in findings for layer in finding.layers))
    wrong = " and ".join(dict.fromkeys(part.partition(" (")[0] for f in findings for part in f.wrong.split(", ")))
    remedies = []
    for remedy in dict.fromkeys(finding.remedy for finding in findings):
        count = len({layer for finding in findings if finding.remedy == remedy for layer in finding.layers})
        verb, _, rest = IN_WORDS[remedy].partition(" ")
        remedies.append(f"{counted(count, f'layer {verb}', f'layers {_IN_PLURAL[verb]}')} {rest}")
    return f"reduced precision is wrong on this machine ({wrong}) in {listed(layers, 4)}: {', '.join(remedies)}"


def save(path: Path, findings: Sequence[Finding]) -> None:
    """Write findings as JSON."""
    content = {"findings": [unstructure(finding) for finding in findings]}
    atomic_write(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def load(path: Path) -> tuple[Finding, ...]:
    """Read findings; none if the file does not exist. Raises ``ValueError`` that names the file if it is damaged."""
    if not path.exists():
        return ()
    content = read_json(path)
    try:
        return structure(content["findings"], str(path), tuple[Finding, ...])
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path} is damaged ({error}); delete it and resume the run, which checks again") from error
