"""Serve a page with the networks of runs to browsers on the local machine."""

from taskscape.app.app import serve

__all__ = ["serve"]
