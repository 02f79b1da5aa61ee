"""The page of exported networks on this machine: a small server, and the networks of runs as files for a browser."""

from taskscape.app.app import serve

__all__ = ["serve"]
