"""Precision is verified, not assumed: operators in reduced precision are compared with float32 on this machine."""

from taskscape.selfcheck.findings import Finding
from taskscape.selfcheck.verify import Shape, apply, verify

__all__ = ["Finding", "Shape", "apply", "verify"]
