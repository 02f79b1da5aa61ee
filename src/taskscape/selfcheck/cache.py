"""Cache of verdicts about operators in bf16, for further runs on the same machine."""

from collections.abc import Mapping

import torch

from taskscape.machine import MachineCache, machine
from taskscape.selfcheck.apply import REMEDIES
from taskscape.selfcheck.check import TOLERANCE, Verdict

FORMAT = 5
"""Version of the check; increase it when the check changes, which invalidates old verdicts."""


def load(device: torch.device) -> dict[str, Verdict]:
    """Return this machine's verdicts by operator signature; an empty mapping if any entry is damaged."""
    try:
        return {signature: _verdict(entry) for signature, entry in _entries(device).load().items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}


def add(device: torch.device, verdicts: Mapping[str, Verdict]) -> None:
    """Add verdicts to the cache."""
    _entries(device).add({signature: verdict._asdict() for signature, verdict in verdicts.items()})


def _entries(device: torch.device) -> MachineCache:
    """Return the entries of a machine: processor, its instructions, torch, threads and device."""
    return MachineCache("precision", {"check": f"{FORMAT}, tolerance {TOLERANCE}", **machine(device)})


def _verdict(entry: Mapping[str, object]) -> Verdict:
    wrong, remedy = entry["wrong"], entry["remedy"]
    if not isinstance(wrong, str) or remedy not in (None, *REMEDIES):
        raise ValueError("not a verdict")
    return Verdict(wrong, remedy)
