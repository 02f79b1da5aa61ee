"""Cache of verdicts about operators, for further runs on the same machine."""

from collections.abc import Mapping
from pathlib import Path

import torch

from taskscape.machine import MachineCache, machine
from taskscape.selfcheck.apply import REMEDIES
from taskscape.selfcheck.check import TOLERANCE, Verdict

FORMAT = 4
"""Version of the check; increase it when the check changes, which invalidates old verdicts."""


class Cache:
    """The verdicts of one machine, identified by processor, its instructions, torch, threads and device."""

    def __init__(self, device: torch.device, folder: Path | None = None) -> None:
        self.entries = MachineCache(
            "precision", {"check": f"{FORMAT}, tolerance {TOLERANCE}", **machine(device)}, folder
        )
        self.path = self.entries.path

    def load(self) -> dict[str, Verdict]:
        """Return the verdicts by operator signature; an empty mapping if any entry is damaged."""
        try:
            return {signature: _verdict(entry) for signature, entry in self.entries.load().items()}
        except (ValueError, TypeError, KeyError, AttributeError):
            return {}

    def add(self, verdicts: Mapping[str, Verdict]) -> None:
        """Add verdicts to the cache."""
        self.entries.add({signature: verdict._asdict() for signature, verdict in verdicts.items()})


def _verdict(entry: Mapping[str, object]) -> Verdict:
    wrong, remedy = entry["wrong"], entry["remedy"]
    if not isinstance(wrong, str) or remedy not in (None, *REMEDIES):
        raise ValueError("not a verdict")
    return Verdict(wrong, remedy)
