"""Verdicts about operators, kept for the next run on the same machine."""

from collections.abc import Mapping
from pathlib import Path

import torch

from taskscape.machine import Kept, machine
from taskscape.selfcheck.apply import REMEDIES
from taskscape.selfcheck.check import TOLERANCE, Verdict

FORMAT = 4
"""Version of the check: a change of what is checked makes it larger, and old verdicts are not used."""


class Cache:
    """The verdicts of one machine: processor, its instructions, torch, threads, device."""

    def __init__(self, device: torch.device, folder: Path | None = None) -> None:
        self.kept = Kept("precision", {"check": f"{FORMAT}, tolerance {TOLERANCE}", **machine(device)}, folder)
        self.path = self.kept.path

    def load(self) -> dict[str, Verdict]:
        """Return the verdicts by the operators' signatures; none where one of them is damaged."""
        try:
            return {signature: _verdict(entry) for signature, entry in self.kept.load().items()}
        except (ValueError, TypeError, KeyError, AttributeError):
            return {}

    def add(self, verdicts: Mapping[str, Verdict]) -> None:
        """Add verdicts to those that are there."""
        self.kept.add({signature: verdict._asdict() for signature, verdict in verdicts.items()})


def _verdict(entry: Mapping[str, object]) -> Verdict:
    wrong, remedy = entry["wrong"], entry["remedy"]
    if not isinstance(wrong, str) or remedy not in (None, *REMEDIES):
        raise ValueError("not a verdict")
    return Verdict(wrong, remedy)
