"""Checks reduced precision on this machine, by comparing a network's operators with float32."""

from taskscape.selfcheck.findings import Finding
from taskscape.selfcheck.verify import Shape, apply, verify

__all__ = ["Finding", "Shape", "apply", "verify"]
